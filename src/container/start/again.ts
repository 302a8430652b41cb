import { messageOf } from '../../base/errors.ts';
import type { ExitStatus } from '../../spec/contract/launch.ts';
import { commitRecord, type ContainerContext, inBackground } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';
import { nextDelayMs, shouldRestart } from '../restart-policy.ts';
import { ended, settled } from '../state.ts';
import { launch } from './apply.ts';

/** The wait before the next start of a container whose run has just ended, in milliseconds; undefined for none. */
export function delayBeforeRestart(entry: ContainerEntry, exit: ExitStatus): number | undefined {
  const { record } = entry;
  const { restartCount, stoppedByUser, restartDelayMs = 0 } = record;
  const isWanted =
    (record.revive === true && !stoppedByUser) ||
    shouldRestart(record.hostConfig.RestartPolicy, { exitCode: exit.code, restartCount, stoppedByUser });
  if (!isWanted || entry.removing) return undefined;
  return nextDelayMs(restartDelayMs, Number(exit.finishedNs - record.state.startedNs) / 1e6);
}

/**
 * Starts a container of the phase `restarting` again when its wait, which began with the end of its last run, is over.
 * Called at that end, and at the boot of an engine that finds it so.
 */
export function scheduleRestart(ctx: ContainerContext, entry: ContainerEntry): void {
  const { state, restartDelayMs = 0 } = entry.record;
  if (ctx.closing || entry.restart !== undefined || state.phase !== 'restarting') return;
  const passedMs = Math.max(0, Number(ctx.clock.nowNs() - state.finishedNs) / 1e6);
  const timer = setTimeout(
    () => {
      entry.restart = undefined;
      void inBackground(ctx, 'restarting a container', entry.id, () => entry.lock(() => restartNow(ctx, entry)));
    },
    Math.max(0, restartDelayMs - passedMs),
  );
  entry.restart = { timer };
}

async function restartNow(ctx: ContainerContext, entry: ContainerEntry): Promise<void> {
  if (ctx.closing || entry.removing || entry.record.state.phase !== 'restarting') return;
  const restartCount = entry.record.restartCount + 1;
  try {
    await launch(ctx, entry, { restartCount });
  } catch (error) {
    ctx.log.warn('an automatic restart failed', { container: entry.id, error: messageOf(error) });
    // The policy goes on trying, as it would after a run that ended at once.
    const { record } = entry;
    const { exitCode } = record.state;
    const run = { exitCode, restartCount, stoppedByUser: false };
    if (!shouldRestart(record.hostConfig.RestartPolicy, run)) {
      await commitRecord(ctx, entry, { state: settled(record.state) });
      return;
    }
    const exit = { code: exitCode, oomKilled: false, finishedNs: ctx.clock.nowNs() };
    const restartDelayMs = nextDelayMs(record.restartDelayMs ?? 0, 0);
    await commitRecord(ctx, entry, { state: ended(record.state, exit, true), restartCount, restartDelayMs });
    scheduleRestart(ctx, entry);
  }
}
