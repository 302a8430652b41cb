import { messageOf } from '../base/errors.ts';
import type { ContainerId } from '../base/ids.ts';
import type { LaunchedContainer } from '../spec/contract/launch.ts';
import type { RunningSandbox } from '../spec/contract/network.ts';
import { resolverChoice } from './networks/request.ts';
import { commitRecord, type ContainerContext, inBackground, runDirectory } from './context.ts';
import { ContainerEntry } from './entry.ts';
import { adoptExecs } from './exec/adopt.ts';
import { reconcilePause } from './pause.ts';
import { loggedRun } from './logs.ts';
import { containerKind, decodeRecord } from './record.ts';
import { shownImages } from './create/storage.ts';
import { shouldStartAtBoot } from './restart-policy.ts';
import { scheduleRestart } from './start/again.ts';
import { startContainer } from './start/start.ts';
import { restoreVolumes } from './volume-use.ts';

/** What a boot found. */
export interface Recovery {
  /** To be started by their restart policy once the engine serves. */
  readonly toStart: readonly ContainerEntry[];
}

/**
 * Loads all containers, finds the processes of those that ran, and settles those that ended while the engine was
 * away: exit codes come from the monitors, which keep them for this.
 */
export async function recoverContainers(ctx: ContainerContext): Promise<Recovery> {
  for (const { id, value } of await ctx.journal.load(containerKind)) {
    try {
      ctx.table.add(new ContainerEntry(decodeRecord(value)));
    } catch (error) {
      ctx.log.error('set an unreadable record aside', { kind: containerKind, id, error: messageOf(error) });
      await ctx.journal.aside.add({ kind: containerKind, id, reason: messageOf(error) }, value);
    }
  }
  const entries = ctx.table.list().reverse();
  for (const entry of entries) retainParts(ctx, entry);
  // Before any process is followed: its end may come at once, and gives back what is restored here.
  const known = new Set(entries.map((entry) => entry.id));
  const running = new Set(entries.filter((entry) => entry.isRunning).map((entry) => entry.id));
  // What has no record may be a container whose record cannot be read: it stays as it is.
  const areSome = ctx.journal.aside.ofContainers().length > 0;
  const stranger = (id: ContainerId): boolean => areSome && !known.has(id);
  const kept = { has: (id: ContainerId) => running.has(id) || stranger(id) };
  // A process whose start was never recorded goes: nobody was told that it runs.
  await ctx.launcher.sweep(kept);
  await ctx.snapshots.restore({ has: (id) => known.has(id) || stranger(id) });
  for (const { id } of ctx.snapshots.list()) if (!known.has(id)) ctx.strangers.add(id);
  await ctx.runMounts.restore(kept);
  await ctx.networks.restore(sandboxesOf(entries));
  await restoreVolumes(ctx, entries, !areSome);
  if (!areSome) await sweepDirectories(ctx, known);
  const wasUp = new Set(entries.filter((entry) => entry.isRunning));
  const lost = new Set<ContainerEntry>();
  await Promise.all(entries.map(async (entry) => void ((await adopt(ctx, entry)) === 'lost' && lost.add(entry))));
  for (const entry of entries) {
    const run = entry.isRunning ? undefined : loggedRun(ctx, entry);
    if (run !== undefined) ctx.logs.finish(run);
  }
  // What ran is up still, or its end is handled by its restart policy as any other end is.
  const toStart = entries.filter((entry) => {
    return (lost.has(entry) || !wasUp.has(entry)) && isWanted(entry, lost.has(entry));
  });
  return { toStart };
}

/** Whether the engine brings it up by itself. One whose automatic restart was under way goes on with that. */
function isWanted({ record }: ContainerEntry, wasUp: boolean): boolean {
  const { state, restartCount, stoppedByUser } = record;
  if (state.phase === 'restarting') return true;
  if (state.startedNs === 0n) return false;
  const run = { exitCode: state.exitCode, restartCount, stoppedByUser, wasUp };
  return shouldStartAtBoot(record.hostConfig.RestartPolicy, run);
}

/** The networks of the containers that ran when the engine ended. */
function sandboxesOf(entries: readonly ContainerEntry[]): Map<ContainerId, RunningSandbox> {
  const running = new Map<ContainerId, RunningSandbox>();
  for (const { id, record } of entries) {
    const { state, sandbox, hostConfig } = record;
    if (state.phase !== 'running' || sandbox === undefined) continue;
    const process = { pid: state.pid, start: state.pidStart };
    running.set(id, { sandbox, process, resolver: resolverChoice(hostConfig) });
  }
  return running;
}

/** Follows a process that lives, or whose end is about to be handled. */
async function adopt(ctx: ContainerContext, entry: ContainerEntry): Promise<'lost' | undefined> {
  const { state, config, hostConfig } = entry.record;
  if (state.phase !== 'running') {
    // The engine before may have ended while somebody looked into its files.
    await ctx.snapshots.unmount(entry.id);
    return;
  }
  const live = await adoptProcess(ctx, entry, {
    id: entry.id,
    directory: runDirectory(ctx, entry.id),
    pid: state.pid,
    pidStart: state.pidStart,
    tty: config.Tty,
    stdinOnce: config.StdinOnce,
    openStdin: config.OpenStdin,
    runtime: hostConfig.Runtime === '' ? ctx.settings.defaultRuntime : hostConfig.Runtime,
  });
  if (live === undefined) return 'lost';
  entry.live = live;
  entry.started.set(live.stdio);
  await reconcilePause(ctx, entry);
  ctx.follow(entry, live);
  ctx.watchHealth(entry, { adopted: true });
  await adoptExecs(ctx, entry);
  return undefined;
}

async function adoptProcess(
  ctx: ContainerContext,
  entry: ContainerEntry,
  request: Parameters<ContainerContext['launcher']['adopt']>[0],
): Promise<LaunchedContainer | undefined> {
  try {
    return await ctx.launcher.adopt(request);
  } catch (error) {
    ctx.log.warn('a running container could not be found again', { container: entry.id, error: messageOf(error) });
    const state = { ...entry.record.state, phase: 'exited' as const, exitCode: 255, finishedNs: ctx.clock.nowNs() };
    await commitRecord(ctx, entry, { state });
    return undefined;
  }
}

function retainParts(ctx: ContainerContext, entry: ContainerEntry): void {
  ctx.images.retain(entry.record.imageId, entry.id, entry.record.imageManifest);
  for (const mount of entry.record.mounts) {
    if (mount.type === 'volume') ctx.volumes.retain(mount.name, entry.id);
    if (mount.image !== undefined) ctx.images.retain(mount.image.id, entry.id);
  }
  ctx.runMounts.keepImages(entry.id, shownImages(entry.record.mounts));
}

/** Directories of containers whose removal or creation an earlier engine did not finish. */
async function sweepDirectories(ctx: ContainerContext, known: ReadonlySet<ContainerId>): Promise<void> {
  const { dataRoot, execRoot } = ctx.settings;
  const shortIds = new Set([...known].map((id) => id.slice(0, 20)));
  for (const name of await ctx.host.list(`${dataRoot}/containers`)) {
    if (!known.has(name as ContainerId)) await ctx.host.removeTrees([`${dataRoot}/containers/${name}`]);
  }
  for (const name of await ctx.host.list(`${execRoot}/containers`)) {
    if (!shortIds.has(name)) await ctx.host.removeTrees([`${execRoot}/containers/${name}`]);
  }
}

/** Starts what its restart policy wants up; one that fails does not hold up the others. */
export function startRecovered(ctx: ContainerContext, entries: readonly ContainerEntry[]): void {
  for (const entry of entries) {
    if (entry.record.state.phase === 'restarting') scheduleRestart(ctx, entry);
    else void inBackground(ctx, 'starting a container after boot', entry.id, () => startContainer(ctx, entry));
  }
}
