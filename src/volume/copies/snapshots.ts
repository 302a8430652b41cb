import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { formatTime } from '../../base/clock.ts';
import { conflict, invalid, messageOf } from '../../base/errors.ts';
import { randomHex64 } from '../../base/ids.ts';
import type { Volume, VolumeSnapshot } from '../../spec/contract/storage.ts';
import type { EventInput } from '../../spec/engine/event.ts';
import { syncDirectory } from '../../sys/file/durable.ts';
import { exchangePaths } from '../../sys/file/exchange.ts';
import { removeDoomed, snapshotsFolder } from '../directories.ts';
import { diskFolder } from '../disk/parts.ts';
import { checkVolumeName } from '../name.ts';
import { diskOf } from '../options.ts';
import { type Arrivals, toRecord, volumeKind } from '../record.ts';
import type { VolumeState } from '../state.ts';
import { type CopiesContext, findSnapshot, findVolume, needsOwnStorage, refuseOthers } from './context.ts';
import { type Stage, volumeEvent, withStage } from '../stage.ts';
import { copyContent } from './stage.ts';

export interface SnapshotRequest {
  /** Undefined: the time. */
  readonly name?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

/** Keeps what a volume holds now. @throws not-found; conflict when the name is taken; invalid, cancelled, no-space. */
export async function makeSnapshot(
  ctx: CopiesContext,
  volumeName: string,
  { name: given, labels }: SnapshotRequest,
  signal: AbortSignal,
): Promise<VolumeSnapshot> {
  const { state } = ctx;
  const createdNs = state.clock.nowNs();
  const name = given ?? formatTime(createdNs).slice(0, 23).replaceAll(/[:.]/g, '-');
  checkSnapshotName(volumeName, name);
  const what = `snapshot ${volumeName}`;
  const check = (): Volume => {
    const volume = findVolume(state, volumeName);
    needsOwnStorage(volume, what);
    if (volume.snapshots?.some((one) => one.name === name) === true) {
      throw conflict(`${what}: it has a snapshot with the name ${name} already`);
    }
    return volume;
  };
  refuseOthers(ctx, volumeName, what);
  check();
  return withStage(state, async (stage) => {
    await copyContent(ctx, { name: volumeName }, stage, { doing: 'copied', signal });
    return state.order.run(volumeName, async () => {
      const volume = check();
      const snapshot: VolumeSnapshot = { name, createdNs, labels };
      await placeSnapshot(state, volume, snapshot, stage);
      return snapshot;
    });
  });
}

function checkSnapshotName(volume: string, name: string): void {
  try {
    checkVolumeName(name);
  } catch {
    const shown = JSON.stringify(name.slice(0, 255));
    throw invalid(`snapshot ${volume}: ${shown} is no name for a snapshot: only [a-zA-Z0-9][a-zA-Z0-9_.-]* is`);
  }
}

async function placeSnapshot(
  state: VolumeState,
  volume: Volume,
  snapshot: VolumeSnapshot,
  stage: Stage,
): Promise<void> {
  const { directory } = state;
  const staged = join(directory, stage.entry);
  for (const path of [staged, directory]) await syncDirectory(path);
  const next = { ...volume, snapshots: [...(volume.snapshots ?? []), snapshot] };
  const arrivals: Arrivals = { snapshots: new Map([[snapshot.name, stage.entry]]) };
  await commitVolume(state, next, arrivals, [volumeEvent('snapshot', volume.name, { snapshot: snapshot.name })]);
  const folder = join(directory, volume.name, snapshotsFolder);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await rename(staged, join(folder, snapshot.name));
    for (const path of [folder, join(directory, volume.name)]) await syncDirectory(path);
  } catch (error) {
    await commitVolume(state, volume, {}, [volumeEvent('snapshot_remove', volume.name, { snapshot: snapshot.name })]);
    throw error;
  }
}

/** Deletes a snapshot. @throws not-found; conflict while it is being copied. */
export async function removeSnapshot({ state }: CopiesContext, volumeName: string, name: string): Promise<void> {
  const doomed = join(state.directory, `.removing-${randomHex64().slice(0, 16)}`);
  await state.order.run(volumeName, async () => {
    const volume = findVolume(state, volumeName);
    findSnapshot(volume, name);
    state.holds.refuseHeld(volumeName, `remove snapshot ${name} of ${volumeName}`);
    const snapshots = volume.snapshots?.filter((one) => one.name !== name) ?? [];
    await commitVolume(state, { ...volume, snapshots }, {}, [
      volumeEvent('snapshot_remove', volumeName, { snapshot: name }),
    ]);
    await rename(join(state.directory, volumeName, snapshotsFolder, name), doomed);
  });
  await removeDoomed(doomed).catch((error: unknown) =>
    state.log.error('cannot delete the content of a removed snapshot', { name, reason: messageOf(error) }),
  );
}

/**
 * Makes a volume hold again what it held when a snapshot was made; what it holds now is lost.
 * @throws not-found; conflict while a container runs with it.
 */
export async function restoreSnapshot(
  ctx: CopiesContext,
  volumeName: string,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const { state } = ctx;
  const what = `restore ${volumeName}`;
  findSnapshot(findVolume(state, volumeName), name);
  refuseRunning(state, volumeName, what);
  await withStage(state, async (stage) => {
    await copyContent(ctx, { name: volumeName, snapshot: name }, stage, { doing: 'restored', signal });
    await replaceContent(state, volumeName, stage, {
      what,
      event: volumeEvent('restore', volumeName, { snapshot: name }),
    });
  });
}

/** Puts the content of a stage in the place of a volume's, in one step. @throws conflict while a container runs with it. */
export async function replaceContent(
  state: VolumeState,
  name: string,
  stage: Stage,
  { what, event }: { readonly what: string; readonly event: EventInput },
): Promise<void> {
  await state.order.run(name, async () => {
    const volume = findVolume(state, name);
    refuseRunning(state, name, what);
    state.holds.refuseHeld(name, what);
    await exchangeContent(state, volume, stage);
    await state.journal.commit({ events: [event] });
  });
}

/** The caller has the volume's turn, and nobody uses it. */
export async function exchangeContent({ directory }: VolumeState, volume: Volume, stage: Stage): Promise<void> {
  const entry = diskOf(volume) === undefined ? '_data' : diskFolder;
  await exchangePaths(join(directory, stage.entry, entry), join(directory, volume.name, entry));
  await syncDirectory(join(directory, volume.name));
}

export function refuseRunning({ holds }: VolumeState, name: string, what: string): void {
  const running = holds.running(name);
  if (running.length === 0) return;
  throw conflict(`${what}: containers run with the volume: stop them first - [${running.join(', ')}]`);
}

async function commitVolume(
  { journal, volumes }: VolumeState,
  volume: Volume,
  arrivals: Arrivals,
  events: readonly EventInput[],
): Promise<void> {
  const value = toRecord(volume, arrivals);
  await journal.commit({ records: [{ op: 'put', kind: volumeKind, id: volume.name, value }], events });
  volumes.set(volume.name, volume);
}
