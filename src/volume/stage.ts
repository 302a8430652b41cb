import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../base/errors.ts';
import type { Volume } from '../spec/contract/storage.ts';
import type { EventInput } from '../spec/engine/event.ts';
import { syncDirectory } from '../sys/file/durable.ts';
import { makeStage, removeDoomed } from './directories.ts';
import { toRecord, volumeKind } from './record.ts';
import type { VolumeState } from './state.ts';

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
    events: [volumeEvent('create', volume.name, attributes)],
  });
  try {
    await rename(join(directory, stage.entry), join(directory, volume.name));
    await syncDirectory(directory);
  } catch (error) {
    await journal.commit({
      records: [{ op: 'delete', kind: volumeKind, id: volume.name }],
      events: [volumeEvent('destroy', volume.name)],
    });
    throw error;
  }
  state.volumes.set(volume.name, volume);
}

/** The event `action` of a volume of the local driver. */
export const volumeEvent = (
  action: string,
  name: string,
  attributes: Readonly<Record<string, string>> = {},
): EventInput => ({ type: 'volume', action, actorId: name, attributes: { driver: 'local', ...attributes } });
