import { messageOf } from '../../base/errors.ts';
import { Scope } from '../../base/scope.ts';
import { LaunchError, type LaunchedContainer } from '../../spec/contract/launch.ts';
import type { OpenSandbox } from '../../spec/contract/network.ts';
import { commitRecord, type ContainerContext, containerEvent, tell } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';
import type { ContainerRecord } from '../record.ts';
import { healthSettings } from '../health/settings.ts';
import { beginningHealth } from '../health/state.ts';
import { mountVolumes, volumeEvents } from '../volume-use.ts';
import { sandboxRequest } from '../networks/request.ts';
import { openUserNamespace } from '../user-namespace/choose.ts';
import { updateLinkedHosts } from '../links/hosts.ts';
import { startFailed, started } from '../state.ts';
import { prepareFiles } from './files.ts';
import { joinedContainer } from './namespaces.ts';
import { planLaunch } from './plan.ts';

/** Targets that the runtime mounts itself: they must be real directories, whatever the image has there. */
export const engineTargets = ['dev', 'proc', 'sys'] as const;

/**
 * Lets a container run: mounts, namespaces, monitor, runtime; then the record says `running`. When a step fails,
 * exactly what was made is unmade, and the record keeps the reason. Called inside the entry's lock.
 * @throws EngineError of the failing step; LaunchError carries the exit code that Docker records.
 */
export async function launch(
  ctx: ContainerContext,
  entry: ContainerEntry,
  change: Partial<ContainerRecord> = {},
): Promise<void> {
  await entry.teardown;
  try {
    await launchInScope(ctx, entry, change);
  } catch (error) {
    const exitCode = error instanceof LaunchError ? error.exitCode : 128;
    const state = startFailed(entry.record.state, { exitCode, message: messageOf(error) });
    await commitRecord(ctx, entry, { state, sandbox: undefined });
    for (const sink of entry.waitingSinks) sink.end();
    entry.waitingSinks.clear();
    throw error;
  }
}

async function launchInScope(
  ctx: ContainerContext,
  entry: ContainerEntry,
  change: Partial<ContainerRecord>,
): Promise<void> {
  await using scope = new Scope();
  const userNamespace = await openUserNamespace(ctx, entry);
  using _closed = { [Symbol.dispose]: () => userNamespace?.close() };
  // Told in Docker's order: volumes before networks, and backwards when the start fails.
  tell(ctx, entry, volumeEvents(entry.record, 'mount'));
  scope.defer(() => tell(ctx, entry, volumeEvents(entry.record, 'unmount')));
  const { rootfs, network } = await mountAndConnect(ctx, entry, scope, userNamespace?.takeNetwork());
  await mountVolumes(ctx, entry, scope);
  const files = await prepareFiles(ctx, entry, network);
  scope.defer(() => ctx.runMounts.release(entry.id));
  const request = await planLaunch(ctx, entry, { rootfs, network, files, userNamespace });
  scope.defer(() => ctx.launcher.delete(entry.id, request.directory, request.runtime));
  const live = await ctx.launcher.create(request);
  if (network !== undefined) ctx.networks.joined(entry.id, { pid: live.pid, start: live.pidStart });
  await ctx.runMounts.releasePlaces(entry.id);
  connectWaiting(entry, live);
  // Before it runs: a client that sees the first output may ask for a size at once.
  entry.live = live;
  scope.defer(() => {
    entry.live = undefined;
  });
  const startedNs = ctx.clock.nowNs();
  await ctx.launcher.start(entry.id, request.directory);
  network?.releasePath();
  const sandbox = network?.sandbox ?? joinedSandbox(ctx, entry);
  const state = started(entry.record.state, { pid: live.pid, pidStart: live.pidStart, startedNs });
  entry.started.set(live.stdio);
  scope.commit();
  ctx.follow(entry, live);
  const isChecked = healthSettings(entry.record.config) !== undefined;
  const health = isChecked ? { health: beginningHealth(entry.record.health) } : {};
  const recorded = commitRecord(ctx, entry, { ...change, ...health, state, sandbox }, [
    containerEvent(entry.record, 'start'),
  ]);
  await updateLinkedHosts(ctx, entry);
  ctx.watchHealth(entry);
  await recorded;
}

/** The root file system and the network do not need each other: both are made at once. */
export async function mountAndConnect(
  ctx: ContainerContext,
  entry: ContainerEntry,
  scope: Scope,
  networkNamespace: number | undefined,
): Promise<{ rootfs: string; network: OpenSandbox | undefined }> {
  const { record } = entry;
  const joins = joinedContainer(ctx, record.hostConfig.NetworkMode) !== undefined;
  const [rootfs, network] = await Promise.allSettled([
    scope.acquire(ctx.snapshots.mount(entry.id, engineTargets, { passing: record.hostConfig.AutoRemove }), () =>
      ctx.snapshots.unmount(entry.id),
    ),
    joins
      ? undefined
      : scope.acquire(ctx.networks.open({ ...sandboxRequest(entry), networkNamespace }), async (open) => {
          open.releasePath();
          await ctx.networks.close(entry.id);
        }),
  ]);
  if (rootfs.status === 'rejected') throw rootfs.reason;
  if (network.status === 'rejected') throw network.reason;
  return { rootfs: rootfs.value, network: network.value };
}

/** A container inside another one's network shows no endpoints of its own. */
function joinedSandbox(ctx: ContainerContext, entry: ContainerEntry) {
  const other = joinedContainer(ctx, entry.record.hostConfig.NetworkMode);
  const sandboxId = other?.record.sandbox?.sandboxId ?? '';
  return { sandboxId, mode: 'private' as const, endpoints: {}, ports: {}, hostInterfaces: [] };
}

/** Clients that attached before the start see the first byte. */
function connectWaiting(entry: ContainerEntry, live: LaunchedContainer): void {
  for (const sink of entry.waitingSinks) live.stdio.add(sink);
  entry.waitingSinks.clear();
}
