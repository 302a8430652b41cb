import { dirname, join } from 'node:path';
import { EngineError, invalid } from '../../base/errors.ts';
import type { Volume } from '../../spec/contract/storage.ts';
import type { EventInput } from '../../spec/engine/event.ts';
import { mostDisk } from '../../sys/disk/make.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import { growStagedDisk, growVolumeDisk } from '../disk/disk.ts';
import { diskOf } from '../options.ts';
import { toRecord, volumeKind } from '../record.ts';
import { volumeEvent, withStage } from '../stage.ts';
import { type CopiesContext, findVolume, refuseOthers } from './context.ts';
import { exchangeContent, refuseRunning } from './snapshots.ts';
import { copyContent } from './stage.ts';

/** Lets a volume hold `bytes`; containers go on. @throws not-found; invalid for one without a limit, and for less than before. */
export async function resizeVolume(
  ctx: CopiesContext,
  name: string,
  bytes: number,
  signal: AbortSignal,
): Promise<void> {
  const { state } = ctx;
  const what = `resize ${name}`;
  refuseOthers(ctx, name, what);
  const check = (): Volume => {
    const volume = findVolume(state, name);
    const limit = diskOf(volume)?.limit;
    if (limit === undefined) throw invalid(`${what}: the volume was made without a size`);
    if (bytes < limit) throw invalid(`${what}: a volume can only grow: its size is ${limit} bytes`);
    if (bytes > mostDisk) throw invalid(`${what}: the largest size is 8t`);
    state.holds.refuseHeld(name, what);
    return volume;
  };
  const commit = async (volume: Volume): Promise<void> => {
    const grown = { ...volume, options: { ...volume.options, size: String(bytes) } };
    const events: EventInput[] = [volumeEvent('resize', name, { size: String(bytes) })];
    const value = toRecord(grown);
    await state.journal.commit({ records: [{ op: 'put', kind: volumeKind, id: name, value }], events });
    state.volumes.set(name, grown);
  };
  const isDone = await state.order.run(name, async () => {
    const volume = check();
    if (!(await growsInPlace(dirname(volume.mountpoint), bytes))) return false;
    await commit(volume);
    return true;
  });
  if (isDone) return;
  refuseWhileRunning(ctx, name, what);
  await withStage(state, async (stage) => {
    await copyContent(ctx, { name }, stage, { doing: 'resized', signal });
    await growStagedDisk(join(state.directory, stage.entry), bytes);
    await state.order.run(name, async () => {
      const volume = check();
      refuseWhileRunning(ctx, name, what);
      await exchangeContent(state, volume, stage);
      await commit(volume);
    });
  });
}

/** The kernel lets file systems grow for those only who have CAP_SYS_RESOURCE. */
async function growsInPlace(directory: string, bytes: number): Promise<boolean> {
  try {
    await growVolumeDisk(directory, bytes);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EPERM') return false;
    throw error;
  }
}

function refuseWhileRunning({ state }: CopiesContext, name: string, what: string): void {
  try {
    refuseRunning(state, name, what);
  } catch (error) {
    const why = `${what}: this engine lacks CAP_SYS_RESOURCE, and without it a volume grows only while no container runs with it`;
    throw new EngineError('conflict', why, { cause: error });
  }
}
