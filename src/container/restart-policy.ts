import type { RestartPolicy } from '../spec/engine/container.ts';

/** First wait before an automatic restart; it doubles with each one. Milliseconds. */
const firstDelayMs = 100;
const longestDelayMs = 60_000;
/** A run of at least this length starts the waits from the beginning. */
const steadyRunMs = 10_000;

export interface EndedRun {
  readonly exitCode: number;
  readonly restartCount: number;
  readonly stoppedByUser: boolean;
}

/** Whether Docker would start the container again after this run. */
export function shouldRestart(policy: RestartPolicy, run: EndedRun): boolean {
  if (run.stoppedByUser) return false;
  switch (policy.Name) {
    case '':
    case 'no':
      return false;
    case 'always':
    case 'unless-stopped':
      return true;
    case 'on-failure':
      return run.exitCode !== 0 && (policy.MaximumRetryCount === 0 || run.restartCount < policy.MaximumRetryCount);
  }
}

/** Whether it is started when the engine comes up and finds it ended. */
export function shouldStartAtBoot(policy: RestartPolicy, run: EndedRun & { wasUp: boolean }): boolean {
  switch (policy.Name) {
    case '':
    case 'no':
      return false;
    case 'always':
      // Docker's documented difference to unless-stopped: `always` comes back at boot even after a stop by hand.
      return true;
    case 'unless-stopped':
      return !run.stoppedByUser;
    case 'on-failure':
      return run.wasUp && shouldRestart(policy, run);
  }
}

/** The wait before the next automatic restart, in milliseconds, given the last wait (0 for none) and the run's length. */
export function nextDelayMs(lastDelayMs: number, runMs: number): number {
  if (lastDelayMs === 0 || runMs >= steadyRunMs) return firstDelayMs;
  return Math.min(lastDelayMs * 2, longestDelayMs);
}
