import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { randomHex64 } from '../../base/ids.ts';
import type { Volume } from '../../spec/contract/storage.ts';
import { createSubvolume, snapshotSubvolume } from '../../sys/btrfs/subvolume.ts';
import { ensureMode, snapshotsFolder } from '../directories.ts';
import { diskOf, isMountedVolume } from '../options.ts';
import { growStagedDisk, trimStagedDisk, whileDiskStill } from '../disk/disk.ts';
import { diskFolder, type DiskSource } from '../disk/parts.ts';
import { copyTree, type Writers } from '../copy/copy.ts';
import type { Stage } from '../stage.ts';
import type { VolumeState } from '../state.ts';
import { type CopiesContext, findSnapshot, findVolume } from './context.ts';

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
    const disk = diskOf(volume);
    if (disk !== undefined) return await copyDisk(state, volume, { source, disk, stage, signal });
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

/** A disk is copied as a whole, as it is: no key is needed. The containers that write to it wait. */
async function copyDisk(
  state: VolumeState,
  volume: Volume,
  request: {
    readonly source: CopySource;
    readonly disk: DiskSource;
    readonly stage: Stage;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { source, disk, stage, signal } = request;
  const to = dirname(stage.data);
  await mkdir(stage.data);
  await ensureMode(stage.data, 0o755);
  await mkdir(join(to, diskFolder), { mode: 0o700 });
  const copyFrom = (from: string): Promise<void> => copyTree(join(from, diskFolder), join(to, diskFolder), { signal });
  if (source.snapshot !== undefined) {
    await copyFrom(dirname(snapshotData(state, volume, source.snapshot)));
    // The volume may have grown since.
    if (disk.limit !== undefined) await growStagedDisk(to, disk.limit);
    return;
  }
  const own = dirname(volume.mountpoint);
  await state.order.run(volume.name, () => whileDiskStill(own, () => copyFrom(own)));
  await trimStagedDisk(to);
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
