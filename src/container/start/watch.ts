import { messageOf } from '../../base/errors.ts';
import type { ExitStatus, LaunchedContainer } from '../../spec/contract/launch.ts';
import { commitRecord, type ContainerContext, containerEvent, emit, inBackground, runDirectory } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';
import { loggedRun } from '../logs.ts';
import { unwatchedHealth } from '../health/state.ts';
import { removeLocked } from '../remove.ts';
import { ended } from '../state.ts';
import { delayBeforeRestart, scheduleRestart } from './again.ts';
import { unmountVolumes, volumeEvents } from '../volume-use.ts';

/** Follows one run to its end: log rotation while it lasts, the record and the restart policy afterwards. */
export function watchRun(ctx: ContainerContext, entry: ContainerEntry, live: LaunchedContainer): void {
  const run = loggedRun(ctx, entry);
  if (run !== undefined) {
    const reopen = () => ctx.launcher.reopenLog(entry.id, runDirectory(ctx, entry.id));
    ctx.logs.begin({ ...run, reopen });
  }
  void live.exited.then((exit) =>
    inBackground(ctx, 'handling the end of a container', entry.id, () =>
      entry.lock(() => runEnded(ctx, entry, live, exit)),
    ),
  );
}

async function runEnded(
  ctx: ContainerContext,
  entry: ContainerEntry,
  live: LaunchedContainer,
  exit: ExitStatus,
): Promise<void> {
  if (entry.live !== live) return;
  entry.live = undefined;
  entry.health?.stop();
  ctx.logs.end(entry.id);
  const { record } = entry;
  const { hostConfig } = record;
  const delayMs = delayBeforeRestart(entry, exit);
  const again = delayMs !== undefined;
  // In Docker's order: what it used goes before its own end is told.
  if (exit.oomKilled) emit(ctx, entry, 'oom');
  await ctx.networks.close(entry.id);
  const seconds = Math.max(0, Math.round(Number(exit.finishedNs - record.state.startedNs) / 1e9));
  const die = containerEvent(record, 'die', { exitCode: String(exit.code), execDuration: String(seconds) });
  const events = [...volumeEvents(record, 'unmount'), die];
  const removes = hostConfig.AutoRemove && !again;
  entry.teardown = inBackground(ctx, 'cleaning up after a container', entry.id, () => tearDown(ctx, entry));
  const state = ended(record.state, exit, again);
  // What is removed at once needs no transaction of its own for its end; until then the exit file tells it.
  const health = record.health === undefined ? {} : { health: unwatchedHealth(record.health) };
  const restart = again ? { restartDelayMs: delayMs, revive: false } : {};
  const recorded = commitRecord(ctx, entry, { state, ...health, ...restart }, events, { mayWait: removes });
  if (removes) recorded.catch(() => undefined);
  else await recorded.catch((error: unknown) => notRecorded(ctx, entry, error));
  entry.announceExit(exit);
  if (again) scheduleRestart(ctx, entry);
  if (!removes) return;
  try {
    await Promise.all([removeLocked(ctx, entry, { volumes: true }), recorded]);
  } catch (error) {
    // The disk may be full: whoever waits must hear of it, and `docker rm` can try again.
    if (!entry.gone) entry.announceFailedRemoval({ statusCode: exit.code, error: messageOf(error) });
    throw error;
  }
}

/** The process has ended, whatever the disk says; the exit file tells the next engine. */
function notRecorded(ctx: ContainerContext, entry: ContainerEntry, error: unknown): void {
  ctx.log.error('the end of a container could not be recorded', { container: entry.id, error: messageOf(error) });
}

/** Gives back what a run used. The writable layer stays. */
async function tearDown(ctx: ContainerContext, entry: ContainerEntry): Promise<void> {
  const { hostConfig } = entry.record;
  const runtime = hostConfig.Runtime === '' ? ctx.settings.defaultRuntime : hostConfig.Runtime;
  await ctx.launcher.delete(entry.id, runDirectory(ctx, entry.id), runtime);
  await ctx.snapshots.unmount(entry.id);
  await ctx.runMounts.release(entry.id);
  await unmountVolumes(ctx, entry);
}
