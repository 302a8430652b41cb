import { codeOf, conflict, EngineError, invalid, messageOf } from '../../base/errors.ts';
import type { Scope } from '../../base/scope.ts';
import type { HostConfig, MountSpec } from '../../spec/engine/container.ts';
import { rootOwner } from '../../spec/contract/user-namespace.ts';
import { emptyHostConfig } from '../../spec/engine/empty-config.ts';
import type { ContainerContext } from '../context.ts';
import { cleanPath } from '../create/clean-path.ts';
import { parseBind } from '../create/binds.ts';
import { wantedMounts } from '../create/mounts.ts';
import { makeMounts, shownImages } from '../create/storage.ts';
import { ContainerEntry } from '../entry.ts';
import type { ContainerRecord, MountRecord } from '../record.ts';
import { type PlacedMount, userMounts } from '../start/mounts.ts';

/** A change of mounts that was checked. */
export interface PlannedMounts {
  readonly add: readonly MountSpec[];
  readonly removed: readonly MountRecord[];
  readonly kept: readonly MountRecord[];
}

/** @throws invalid for a mount that is not there, or a second one at the same place. */
export function planMounts(
  record: ContainerRecord,
  add: readonly MountSpec[],
  remove: readonly string[],
): PlannedMounts | undefined {
  if (add.length + remove.length === 0) return undefined;
  const targets = new Set(remove.map((path) => cleanPath(path)));
  for (const target of targets) {
    if (!record.mounts.some((mount) => mount.destination === target)) {
      throw invalid(`the container has no mount at ${target.slice(0, 300)}`);
    }
  }
  const removed = record.mounts.filter((mount) => targets.has(mount.destination));
  const kept = record.mounts.filter((mount) => !targets.has(mount.destination));
  if (wantedFor(record, add).some(({ kind }) => kind === 'image') || removed.some(({ type }) => type === 'image')) {
    throw new EngineError('not-implemented', 'mounts of images cannot be changed in a container that exists');
  }
  if (add.some(({ Mode = '' }) => Mode !== '')) {
    throw new EngineError('not-implemented', 'mounts with U, O or idmap cannot be added to a container that exists');
  }
  for (const { Target } of add) {
    const target = cleanPath(Target);
    if (kept.some((mount) => mount.destination === target)) throw invalid(`Duplicate mount point: ${target}`);
  }
  return { add, removed, kept };
}

const wantedFor = ({ config, hostConfig }: ContainerRecord, add: readonly MountSpec[]) =>
  wantedMounts(
    { ...config, Volumes: null },
    { ...emptyHostConfig(), Mounts: [...add], VolumeDriver: hostConfig.VolumeDriver },
  );

/** One mount, looked up as at a start. */
async function placed(
  ctx: ContainerContext,
  entry: ContainerEntry,
  mount: MountRecord,
): Promise<PlacedMount | undefined> {
  const alone = new ContainerEntry({ ...entry.record, mounts: [mount] });
  const [first] = await userMounts(ctx, { entry: alone, holder: entry.id, owner: undefined });
  return first;
}

/** Whom belongs what is made in the container; undefined is root. */
const ownerIn = ({ record: { ids } }: ContainerEntry) => (ids === undefined ? undefined : rootOwner(ids));

/** The settings as `inspect` shows them, with the mounts that were changed. */
export function settingsWithMounts(
  { hostConfig, config }: ContainerRecord,
  plan: PlannedMounts,
): { readonly hostConfig: HostConfig; readonly volumes: Record<string, Record<string, never>> | null } {
  const gone = new Set(plan.removed.map(({ destination }) => destination));
  const stays = (target: string): boolean => !gone.has(cleanPath(target));
  const object = <T>(map: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(map).filter(([target]) => stays(target)));
  const changed: HostConfig = {
    ...hostConfig,
    Binds: hostConfig.Binds?.filter((bind) => stays(parseBind(bind).target)) ?? null,
    Mounts: [...(hostConfig.Mounts ?? []).filter(({ Target }) => stays(Target)), ...plan.add],
  };
  if (hostConfig.Tmpfs !== undefined) changed.Tmpfs = object(hostConfig.Tmpfs);
  return { hostConfig: changed, volumes: config.Volumes === null ? null : object(config.Volumes) };
}

/** What was done, and what only a new start can do, in words. */
export interface ChangedMounts {
  readonly mounts: readonly MountRecord[];
  readonly added: readonly MountRecord[];
  readonly pending: readonly string[];
}

/**
 * Carries a plan out: makes volumes, and mounts and unmounts inside a running container. `scope` takes everything back.
 * A volume is not filled from the image, whose files the container may have changed by now.
 */
export async function changeMounts(
  ctx: ContainerContext,
  entry: ContainerEntry,
  plan: PlannedMounts,
  scope: Scope,
): Promise<ChangedMounts> {
  const { record } = entry;
  const pending: string[] = [];
  const held = volumesOf(record.mounts);
  // Undone last: what a new mount lets go of may be the volume of an old one.
  scope.defer(() => {
    for (const name of held) ctx.volumes.retain(name, entry.id);
    ctx.runMounts.keepImages(entry.id, shownImages(record.mounts));
  });
  const { mounts: added } = await makeMounts(ctx, entry.id, wantedFor(record, plan.add), [], scope);
  if (entry.live !== undefined) {
    try {
      for (const mount of plan.removed) await unmountLive(ctx, entry, mount, scope, pending);
      for (const mount of added) await mountLive(ctx, entry, mount, held, scope, pending);
    } finally {
      // Parts of volumes are held only until they are mounted.
      await ctx.runMounts.releasePlaces(entry.id);
    }
  }
  return { mounts: [...plan.kept, ...added], added, pending };
}

const volumesOf = (mounts: readonly MountRecord[]): Set<string> =>
  new Set(mounts.filter((mount) => mount.type === 'volume').map((mount) => mount.name));

async function mountLive(
  ctx: ContainerContext,
  entry: ContainerEntry,
  mount: MountRecord,
  held: ReadonlySet<string>,
  scope: Scope,
  pending: string[],
): Promise<void> {
  if (mount.type === 'volume' && !held.has(mount.name)) {
    await scope.acquire(ctx.volumes.mount(mount.name, entry.id), () => ctx.volumes.unmount(mount.name, entry.id));
  }
  const found = await placed(ctx, entry, mount);
  if (found === undefined) return;
  const { mount: launch, kind } = found;
  try {
    await ctx.launcher.mount(entry.id, launch, kind, ownerIn(entry));
    if (launch.kind === 'bind') scope.defer(() => ctx.launcher.unmount(entry.id, launch.target, launch.source));
  } catch (error) {
    if (codeOf(error) !== 'unavailable') throw error;
    pending.push(`mount at ${mount.destination}: ${messageOf(error)}`);
  }
}

async function unmountLive(
  ctx: ContainerContext,
  entry: ContainerEntry,
  mount: MountRecord,
  scope: Scope,
  pending: string[],
): Promise<void> {
  const waits = (why: string): void => {
    pending.push(`removal of the mount at ${mount.destination}: ${why}`);
  };
  if (mount.type === 'tmpfs') return waits('what is in memory goes with the run');
  if (mount.extras !== undefined) return waits('it has U, O or idmap');
  const found = await placed(ctx, entry, mount);
  if (found?.mount.kind !== 'bind') return;
  const { mount: launch, kind } = found;
  try {
    await ctx.launcher.unmount(entry.id, launch.target, launch.source);
    scope.defer(() => ctx.launcher.mount(entry.id, launch, kind, ownerIn(entry)));
  } catch (error) {
    if (codeOf(error) !== 'unavailable') throw error;
    // Its content would be let go of under a container that still uses it.
    if (mount.type === 'volume') throw conflict(`${messageOf(error)}: stop the container first`);
    waits(messageOf(error));
  }
}

/** Volumes that the container had and has no more are let go; their content stays. */
export async function releaseVolumes(
  ctx: ContainerContext,
  entry: ContainerEntry,
  before: readonly MountRecord[],
): Promise<void> {
  const now = volumesOf(entry.record.mounts);
  for (const name of volumesOf(before)) {
    if (now.has(name)) continue;
    if (entry.live !== undefined) await ctx.volumes.unmount(name, entry.id);
    ctx.volumes.release(name, entry.id);
  }
}
