import { formatTime } from '../../base/clock.ts';
import type { HealthView } from '../../spec/engine/container.ts';
import type { HealthSettings } from './settings.ts';

/** Checks that are remembered, the newest last. */
const rememberedChecks = 5;

/** One check as Docker shows it: times in RFC 3339. */
export type HealthLogEntry = NonNullable<HealthView['Log']>[number];

/** What is known of a container's health; a container without a check has none. */
export interface HealthState {
  readonly status: 'starting' | 'healthy' | 'unhealthy';
  readonly failingStreak: number;
  readonly log: readonly HealthLogEntry[];
}

/** How one check went. Times are wall clock nanoseconds. */
export interface CheckResult {
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** 0 is healthy; -1 when the check could not be carried out or took too long. */
  readonly exitCode: number;
  readonly output: string;
}

/** The health at the begin of a run. The checks of earlier runs stay in the log, as Docker has it. */
export const beginningHealth = (last: HealthState | undefined): HealthState => ({
  status: 'starting',
  failingStreak: 0,
  log: last?.log ?? [],
});

/** The health of a container that is not watched (it ended, or was paused): Docker calls it unhealthy. */
export const unwatchedHealth = (last: HealthState): HealthState => ({ ...last, status: 'unhealthy' });

/** The health after a check of a run that began at `startedNs`. */
export function judged(
  last: HealthState,
  result: CheckResult,
  settings: Pick<HealthSettings, 'retries' | 'startPeriodMs'>,
  startedNs: bigint,
): HealthState {
  const entry: HealthLogEntry = {
    Start: formatTime(result.startNs),
    End: formatTime(result.endNs),
    ExitCode: result.exitCode,
    Output: result.output,
  };
  const log = [...last.log, entry].slice(-rememberedChecks);
  if (result.exitCode === 0) return { status: 'healthy', failingStreak: 0, log };
  const age = Number(result.startNs - startedNs) / 1e6;
  if (last.status === 'starting' && age < settings.startPeriodMs) return { ...last, log };
  const failingStreak = last.failingStreak + 1;
  return { status: failingStreak >= settings.retries ? 'unhealthy' : last.status, failingStreak, log };
}

/** Docker's `State.Health` of an inspected container. */
export const viewHealth = (health: HealthState): HealthView => ({
  Status: health.status,
  FailingStreak: health.failingStreak,
  Log: [...health.log],
});

/** The word behind `Up 3 seconds`. */
export const describeHealth = ({ status }: HealthState): string =>
  status === 'starting' ? 'health: starting' : status;
