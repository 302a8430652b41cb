import { conflict, messageOf } from '../base/errors.ts';
import { type ContainerContext, containerEvent, dataDirectory, inBackground, runDirectory } from './context.ts';
import type { ContainerEntry } from './entry.ts';
import { containerKind } from './record.ts';
import { isPaused, statusOf } from './state.ts';
import { sendSignal } from './stop.ts';

export interface RemoveWishes {
  /** Kill it when it runs. */
  readonly force: boolean;
  /** Delete its anonymous volumes too. */
  readonly volumes: boolean;
}

const sigkill = 9;

/**
 * `docker rm`. Answers as soon as the container's name, addresses, image and volumes are free and the record is gone;
 * its files are deleted afterwards, and at the next boot when the engine ends before.
 * @throws conflict while it runs (without force) or is being removed already.
 */
export async function removeContainer(
  ctx: ContainerContext,
  entry: ContainerEntry,
  wishes: RemoveWishes,
): Promise<void> {
  if (entry.removing) throw conflict(`removal of container ${entry.id} is already in progress`);
  const { state, name } = entry.record;
  const isUp = state.phase === 'running' || state.phase === 'restarting';
  if (isUp && !wishes.force) {
    const advice = isPaused(state)
      ? ' and must be unpaused first'
      : ': stop the container before removing or force remove';
    throw conflict(`cannot remove container "${name}": container is ${statusOf(state)}${advice}`);
  }
  entry.removing = true;
  try {
    const exit = entry.nextExit;
    if (await entry.lock(() => entry.isRunning)) {
      await sendSignal(ctx, entry, sigkill);
      await exit.wait();
    }
    await entry.lock(() => removeLocked(ctx, entry, wishes));
  } catch (error) {
    entry.removing = false;
    throw error;
  }
}

/** The removal itself, of a container that does not run; called inside the entry's lock. Twice is no error. */
export async function removeLocked(
  ctx: ContainerContext,
  entry: ContainerEntry,
  wishes: { readonly volumes: boolean },
): Promise<void> {
  if (entry.gone) return;
  entry.removing = true;
  entry.cancelRestart();
  const { record } = entry;
  await ctx.journal.commit({
    records: [{ op: 'delete', kind: containerKind, id: entry.id }],
    events: [containerEvent(record, 'destroy')],
  });
  entry.gone = true;
  ctx.table.delete(entry);
  releaseImages(ctx, entry);
  await releaseVolumes(ctx, entry, wishes.volumes);
  for (const sink of entry.waitingSinks) sink.end();
  entry.removed.set({ statusCode: record.state.exitCode });
  void inBackground(ctx, 'deleting the files of a container', entry.id, () => deleteFiles(ctx, entry));
}

function releaseImages(ctx: ContainerContext, { id, record }: ContainerEntry): void {
  ctx.runMounts.forgetImages(id);
  const shown = record.mounts.flatMap(({ image }) => (image === undefined ? [] : [image.id]));
  for (const image of new Set([record.imageId, ...shown])) ctx.images.release(image, id);
}

async function releaseVolumes(ctx: ContainerContext, entry: ContainerEntry, deleteAnonymous: boolean): Promise<void> {
  for (const mount of entry.record.mounts) {
    if (mount.type !== 'volume') continue;
    ctx.volumes.release(mount.name, entry.id);
    if (!deleteAnonymous || !mount.anonymous || ctx.volumes.users(mount.name).length > 0) continue;
    await ctx.volumes.remove(mount.name).catch((error: unknown) => {
      ctx.log.warn('an anonymous volume could not be deleted', { volume: mount.name, error: messageOf(error) });
    });
  }
}

async function deleteFiles(ctx: ContainerContext, entry: ContainerEntry): Promise<void> {
  await entry.teardown;
  await ctx.logs.sent(entry.id);
  await ctx.snapshots.remove(entry.id);
  await ctx.host.removeTrees([runDirectory(ctx, entry.id), dataDirectory(ctx, entry.id)]);
}
