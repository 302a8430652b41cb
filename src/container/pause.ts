import { conflict, type EngineError, internal, messageOf } from '../base/errors.ts';
import type { ContainerId } from '../base/ids.ts';
import { commitRecord, type ContainerContext, containerEvent } from './context.ts';
import type { ContainerEntry } from './entry.ts';
import { unwatchedHealth } from './health/state.ts';
import { isPaused, paused, unpaused } from './state.ts';

/** What is asked of a container between two of its runs, while its restart policy waits. */
export const isRestarting = (id: ContainerId): EngineError =>
  conflict(`Container ${id} is restarting, wait until the container is running`);

/**
 * `docker pause`: all processes stand still until `unpause`, or until something ends the container. Lasts beyond the
 * engine. @throws conflict when it does not run, restarts, or is paused already.
 */
export function pauseContainer(ctx: ContainerContext, entry: ContainerEntry): Promise<void> {
  return entry.lock(async () => {
    const { state } = entry.record;
    if (state.phase === 'restarting') throw isRestarting(entry.id);
    if (state.phase !== 'running') throw conflict(`container ${entry.id} is not running`);
    if (isPaused(state)) throw conflict(`Container ${entry.id} is already paused`);
    await ctx.launcher.freeze(entry.id);
    entry.health?.stop();
    const { health: last } = entry.record;
    const health = last === undefined ? {} : { health: unwatchedHealth(last) };
    try {
      await commitRecord(ctx, entry, { state: paused(state), ...health }, [containerEvent(entry.record, 'pause')]);
    } catch (error) {
      entry.record = { ...entry.record, state, ...(last === undefined ? {} : { health: last }) };
      ctx.watchHealth(entry);
      if (entry.freezes === 0) await ctx.launcher.thaw(entry.id);
      throw error;
    }
  });
}

/** `docker unpause`. @throws internal, as Docker does, when it is not paused. */
export function unpauseContainer(ctx: ContainerContext, entry: ContainerEntry): Promise<void> {
  return entry.lock(async () => {
    if (!isPaused(entry.record.state)) throw internal(`Container ${entry.id} is not paused`);
    if (entry.freezes === 0) await ctx.launcher.thaw(entry.id);
    await recordUnpause(ctx, entry);
  });
}

async function recordUnpause(ctx: ContainerContext, entry: ContainerEntry): Promise<void> {
  const { state } = entry.record;
  if (state.phase !== 'running') return;
  const recorded = commitRecord(ctx, entry, { state: unpaused(state) }, [containerEvent(entry.record, 'unpause')]);
  ctx.watchHealth(entry);
  await recorded;
}

/** Whatever is meant to end a container must reach its processes: lets them run on, whoever has halted them. */
export async function endPause(ctx: ContainerContext, entry: ContainerEntry): Promise<void> {
  if (entry.freezes === 0 && !isPaused(entry.record.state)) return;
  await ctx.launcher.thaw(entry.id);
  await entry.lock(async () => {
    if (isPaused(entry.record.state)) await recordUnpause(ctx, entry);
  });
}

/**
 * Runs `task` while the processes of a running container stand still, for a consistent look at its files; keep it
 * short. Nobody is told. Calls may overlap each other and `docker pause`: the processes run on after the last of them.
 * Just runs `task` when the container does not run. A stop or a kill meanwhile ends the halt early.
 * Not to be called inside the entry's lock.
 */
export async function whileFrozen<T>(
  ctx: ContainerContext,
  entry: ContainerEntry,
  task: () => T | Promise<T>,
): Promise<T> {
  const isHeld = await entry.lock(async () => {
    if (!entry.isRunning) return false;
    if (entry.freezes === 0 && !isPaused(entry.record.state)) await ctx.launcher.freeze(entry.id);
    entry.freezes++;
    return true;
  });
  try {
    return await task();
  } finally {
    if (isHeld) {
      await entry.lock(async () => {
        entry.freezes--;
        if (entry.freezes === 0 && !isPaused(entry.record.state)) await ctx.launcher.thaw(entry.id);
      });
    }
  }
}

/**
 * At boot: an engine that was killed in between leaves kernel and record apart. Processes that nobody was told to be
 * halted run on; what runs on already, because something was about to end it, is not called paused any more.
 */
export async function reconcilePause(ctx: ContainerContext, entry: ContainerEntry): Promise<void> {
  const { state } = entry.record;
  if (state.phase !== 'running') return;
  try {
    const isFrozen = await ctx.launcher.isFrozen(entry.id);
    if (isFrozen && !isPaused(state)) await ctx.launcher.thaw(entry.id);
    if (!isFrozen && isPaused(state)) await recordUnpause(ctx, entry);
  } catch (error) {
    ctx.log.warn('whether a container is paused is not known', { container: entry.id, error: messageOf(error) });
  }
}
