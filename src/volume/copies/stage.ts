import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { randomHex64 } from '../../base/ids.ts';
import type { Volume } from '../../spec/contract/storage.ts';
import { createSubvolume, snapshotSubvolume } from '../../sys/btrfs/subvolume.ts';
import { syncDirectory } from '../../sys/file/durable.ts';
import { ensureMode, makeStage, removeDoomed, snapshotsFolder } from '../directories.ts';
import { isMountedVolume } from '../options.ts';
import { copyTree, type Writers } from '../copy/copy.ts';
import { toRecord, volumeKind } from '../record.ts';
import type { VolumeState } from '../state.ts';
import { type CopiesContext, copyEvent, findSnapshot, findVolume } from './context.ts';

/** A directory like that of a volume, not finished yet, and which nobody sees. */
export interface Stage {
  /** Its entry in the directory of the volumes. */
  readonly entry: string;
  /** Its content. */
  readonly data: string;
}

/** Makes a stage; the caller removes it with `removeStage`. */
export async function openStage({ directory }: VolumeState): Promise<Stage> {
  const entry = await makeStage(directory);
  return { entry, data: join(directory, entry, '_data') };
}

/** Deletes what has not been moved away. */
export async function removeStage({ directory, log }: VolumeState, { entry }: Stage): Promise<void> {
  const path = join(directory, entry);
  await removeDoomed(path).catch((error: unknown) =>
    log.error('cannot delete an unfinished copy of a volume', { path, reason: messageOf(error) }),
  );
}

/** Runs `task` with a new stage, and removes that. */
export async function withStage<T>(state: VolumeState, task: (stage: Stage) => Promise<T>): Promise<T> {
  const stage = await openStage(state);
  try {
    return await task(stage);
  } finally {
    await removeStage(state, stage);
  }
}

/** Makes the content of a stage, empty. */
export async function makeContent({ data }: Stage): Promise<void> {
  if (!(await createSubvolume(data))) await mkdir(data);
  await ensureMode(data, 0o755);
}

/** What is to be copied of a volume: what it holds now, or what it held when a snapshot was made. */
export interface CopySource {
  readonly name: string;
  readonly snapshot?: string | undefined;
}

/**
 * Copies a volume into a stage, as it is at one moment: containers that run with it stand still while what they changed
 * during the copy is copied again. On disk when it resolves. Meanwhile the volume stays. `doing`: for those who want to
 * remove it. @throws not-found, cancelled, no-space.
 */
export async function copyContent(
  ctx: CopiesContext,
  source: CopySource,
  stage: Stage,
  { doing, signal }: { readonly doing: string; readonly signal: AbortSignal },
): Promise<void> {
  const { state } = ctx;
  const volume = findVolume(state, source.name);
  const used = { ever: state.holds.running(volume.name).length > 0 };
  const release = state.holds.hold(volume.name, doing, () => {
    used.ever = true;
  });
  try {
    if (source.snapshot !== undefined) {
      return await copyDirectory(snapshotData(state, volume, source.snapshot), stage, { signal });
    }
    const writers: Writers = { active: () => used.ever, halt: (task) => haltWriters(ctx, volume.name, task) };
    const unmount = await keepMounted(state, volume);
    try {
      await copyDirectory(volume.mountpoint, stage, { writers, signal });
    } finally {
      await unmount();
    }
  } finally {
    release();
  }
}

/** Where the content of a snapshot is. @throws not-found. */
export const snapshotData = (state: VolumeState, volume: Volume, name: string): string =>
  join(state.directory, volume.name, snapshotsFolder, findSnapshot(volume, name).name, '_data');

/** Mounts what the options of a volume name; the answer undoes that. */
export async function keepMounted(state: VolumeState, volume: Volume): Promise<() => Promise<void>> {
  if (!isMountedVolume(volume)) return () => Promise.resolve();
  const user = `copy-${randomHex64()}`;
  await state.order.run(volume.name, () => state.mounts.acquire(volume, user));
  return () => state.order.run(volume.name, () => state.mounts.release(volume, user));
}

async function copyDirectory(
  from: string,
  stage: Stage,
  options: { readonly writers?: Writers; readonly signal: AbortSignal },
): Promise<void> {
  // A snapshot of a subvolume is of one moment by itself, and durable.
  if (await snapshotSubvolume(from, stage.data)) return;
  await makeContent(stage);
  await copyTree(from, stage.data, options);
}

/** Runs `task` while all containers that run with a volume stand still and no other one begins to. */
async function haltWriters(ctx: CopiesContext, name: string, task: () => Promise<void>): Promise<void> {
  const { holds, order } = ctx.state;
  for (let isDone = false; !isDone; ) {
    const frozen = new Set(holds.running(name));
    // Frozen first: who starts or stops a container waits for the volume's turn, and freezing waits for them.
    isDone = await ctx.freeze([...frozen], () =>
      order.run(name, async () => {
        if (holds.running(name).some((id) => !frozen.has(id))) return false;
        await task();
        return true;
      }),
    );
  }
}

/**
 * Makes a volume of a stage: the record with its event first, which says where the directory comes from, then the rename,
 * so that an engine that dies in between makes it at its next start. The caller has the turn of the volume's name.
 */
export async function placeVolume(
  state: VolumeState,
  stage: Stage,
  volume: Volume,
  attributes: Readonly<Record<string, string>>,
): Promise<void> {
  const { directory, journal } = state;
  // What is in the stage's own directory must not be less durable than the record.
  for (const path of [join(directory, stage.entry), directory]) await syncDirectory(path);
  await journal.commit({
    records: [{ op: 'put', kind: volumeKind, id: volume.name, value: toRecord(volume, { volume: stage.entry }) }],
    events: [copyEvent('create', volume.name, attributes)],
  });
  try {
    await rename(join(directory, stage.entry), join(directory, volume.name));
    await syncDirectory(directory);
  } catch (error) {
    await journal.commit({
      records: [{ op: 'delete', kind: volumeKind, id: volume.name }],
      events: [copyEvent('destroy', volume.name)],
    });
    throw error;
  }
  state.volumes.set(volume.name, volume);
}
