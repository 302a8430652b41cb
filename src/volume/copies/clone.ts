import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { conflict } from '../../base/errors.ts';
import type { Volume } from '../../spec/contract/storage.ts';
import { syncDirectory } from '../../sys/file/durable.ts';
import { isElsewhere } from '../options.ts';
import { checkVolumeName } from '../name.ts';
import { toRecord, volumeKind } from '../record.ts';
import type { VolumeState } from '../state.ts';
import { type CopiesContext, findVolume, needsOwnStorage, refuseOthers, refuseTaken } from './context.ts';
import { placeVolume, volumeEvent, withStage } from '../stage.ts';
import { copyContent } from './stage.ts';

export interface CloneRequest {
  /** Of the new volume. */
  readonly name: string;
  /** Copy this snapshot instead of what the volume holds now. */
  readonly snapshot?: string | undefined;
  /** Instead of those of the volume. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/**
 * Makes a new volume with what another one holds. Whatever the options of that one mount, the clone's files are in the
 * engine's own storage. @throws not-found; conflict when the name is taken; cancelled, no-space.
 */
export async function cloneVolume(
  ctx: CopiesContext,
  source: string,
  { name, snapshot, labels }: CloneRequest,
  signal: AbortSignal,
): Promise<Volume> {
  const { state } = ctx;
  checkVolumeName(name);
  refuseOthers(ctx, source, `clone ${source}`);
  return state.order.run(name, async () => {
    refuseTaken(ctx, name, `clone ${source}`);
    return withStage(state, async (stage) => {
      await copyContent(ctx, { name: source, snapshot }, stage, { doing: 'cloned', signal });
      const original = findVolume(state, source);
      const volume: Volume = {
        name,
        driver: 'local',
        mountpoint: join(state.directory, name, '_data'),
        labels: labels ?? original.labels,
        options: isElsewhere(original) ? {} : original.options,
        createdNs: state.clock.nowNs(),
        anonymous: false,
      };
      const from = snapshot === undefined ? { from: source } : { from: source, snapshot };
      await placeVolume(state, stage, volume, from);
      return volume;
    });
  });
}

/**
 * Gives a volume another name. @throws not-found; conflict when the name is taken, or a container refers to the volume: that one
 * would not find it any more.
 */
export async function renameVolume(ctx: CopiesContext, old: string, name: string): Promise<void> {
  checkVolumeName(name);
  const { state } = ctx;
  const what = `rename ${old}`;
  refuseOthers(ctx, old, what);
  if (old === name) throw conflict(`${what}: that is its name already`);
  // In one order for all, so that two renames never wait for each other.
  const [first, second] = old < name ? [old, name] : [name, old];
  await state.order.run(first, () =>
    state.order.run(second, async () => {
      const volume = findVolume(state, old);
      needsOwnStorage(volume, what);
      refuseTaken(ctx, name, what);
      const users = state.users.get(old) ?? new Set();
      if (users.size > 0) throw conflict(`${what}: volume is in use - [${[...users].join(', ')}]`);
      state.holds.refuseHeld(old, what);
      await moveVolume(state, volume, name);
    }),
  );
}

async function moveVolume({ directory, journal, volumes }: VolumeState, volume: Volume, name: string): Promise<void> {
  const old = volume.name;
  const renamed: Volume = { ...volume, name, mountpoint: join(directory, name, '_data'), anonymous: false };
  // Nobody may take it into use any more, or make another one, while both names are in the making.
  volumes.delete(old);
  try {
    await journal.commit({
      records: [
        { op: 'delete', kind: volumeKind, id: old },
        { op: 'put', kind: volumeKind, id: name, value: toRecord(renamed, { volume: old }) },
      ],
      events: [volumeEvent('rename', name, { oldName: old })],
    });
    await rename(join(directory, old), join(directory, name)).catch(async (error: unknown) => {
      await journal.commit({
        records: [
          { op: 'delete', kind: volumeKind, id: name },
          { op: 'put', kind: volumeKind, id: old, value: toRecord(volume) },
        ],
        events: [volumeEvent('rename', old, { oldName: name })],
      });
      throw error;
    });
  } catch (error) {
    volumes.set(old, volume);
    throw error;
  }
  volumes.set(name, renamed);
  await syncDirectory(directory);
}
