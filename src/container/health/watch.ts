import { messageOf } from '../../base/errors.ts';
import { commitRecord, type ContainerContext, containerEvent, inBackground } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';
import { isPaused } from '../state.ts';
import { runCheck } from './check.ts';
import { reactToFailure } from './react.ts';
import { healthSettings, type HealthSettings } from './settings.ts';
import { beginningHealth, type CheckResult, type HealthState, judged } from './state.ts';

/** The checks of one run, from its begin or from an `unpause` on. */
export interface HealthWatch {
  /** No check begins any more; one that is under way is killed, and its result does not count. */
  stop(): void;
}

/**
 * Begins to check the health of a container that runs now; does nothing for one without a check, one that is paused,
 * and one that is watched already. The time between two checks is counted from the end of the first, by the monotonic
 * clock: slow checks never pile up, and a change of the wall clock moves none.
 */
export function watchHealth(
  ctx: ContainerContext,
  entry: ContainerEntry,
  options: { readonly adopted?: boolean } = {},
): void {
  const { record } = entry;
  const settings = healthSettings(record.config);
  if (settings === undefined || !entry.isRunning || isPaused(record.state)) return;
  if (entry.health !== undefined || ctx.closing) return;
  if (record.health === undefined) entry.record = { ...record, health: beginningHealth(undefined) };
  const stopped = new AbortController();
  let timer: NodeJS.Timeout;
  const arm = (delayMs: number): void => {
    timer = setTimeout(() => {
      void inBackground(ctx, 'a health check', entry.id, async () => {
        const result = await runCheck(ctx, entry, settings, stopped.signal);
        if (stopped.signal.aborted) return;
        await takeResult(ctx, entry, settings, result).finally(() => {
          if (!stopped.signal.aborted) arm(intervalNow(ctx, entry, settings));
        });
      });
    }, delayMs);
  };
  const first = intervalNow(ctx, entry, settings);
  // Containers that were found at a boot were started at different times: they shall not all be checked at once.
  arm(options.adopted === true ? first * shareOf(entry.id) : first);
  entry.health = {
    stop: () => {
      clearTimeout(timer);
      stopped.abort();
      entry.health = undefined;
    },
  };
}

/** A number of 0 to 1 that is another one for each container. */
const shareOf = (id: string): number => Number.parseInt(id.slice(0, 8), 16) / 0xffff_ffff;

/**
 * The wait before the next check. While the start period lasts it is the start interval, until a check has succeeded;
 * the first check behind the start period comes right at its end at the latest.
 */
function intervalNow(ctx: ContainerContext, entry: ContainerEntry, settings: HealthSettings): number {
  const { state, health } = entry.record;
  const left = settings.startPeriodMs - Number(ctx.clock.nowNs() - state.startedNs) / 1e6;
  if (left <= 0 || health?.status !== 'starting') return settings.intervalMs;
  return Math.min(settings.startIntervalMs, Math.max(left, 1));
}

/** The log changes in memory alone; a change of the status goes to disk together with its event. */
async function takeResult(
  ctx: ContainerContext,
  entry: ContainerEntry,
  settings: HealthSettings,
  result: CheckResult,
): Promise<void> {
  const { record } = entry;
  const last = record.health ?? beginningHealth(undefined);
  const health = judged(last, result, settings, record.state.startedNs);
  const { onFailure } = settings;
  const acts = onFailure !== 'none' && result.exitCode !== 0 && health.status === 'unhealthy';
  // No further check comes before it is carried out; the next run has checks of its own.
  if (acts) entry.health?.stop();
  if (health.status === last.status) {
    entry.record = { ...record, health };
  } else {
    await recordStatus(ctx, entry, health);
  }
  if (!acts) return;
  void inBackground(ctx, 'what a failed health check asks for', entry.id, () =>
    reactToFailure(ctx, entry, onFailure).finally(() => ctx.watchHealth(entry)),
  );
}

async function recordStatus(ctx: ContainerContext, entry: ContainerEntry, health: HealthState): Promise<void> {
  const event = containerEvent(entry.record, `health_status: ${health.status}`);
  try {
    await commitRecord(ctx, entry, { health }, [event], { mayWait: true });
  } catch (error) {
    // A full disk does not end the checks; the status stands in memory.
    ctx.log.warn('a health status could not be recorded', { container: entry.id, error: messageOf(error) });
  }
}
