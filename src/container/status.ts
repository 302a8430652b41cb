import { describeHealth, type HealthState } from './health/state.ts';
import type { ContainerState } from './state.ts';

const yearSeconds = 365 * 86400;

/** A rough duration as Docker words it: `Less than a second`, `About a minute`, `About an hour`, `3 days`. */
export function roughDuration(seconds: number): string {
  if (seconds < 1) return 'Less than a second';
  if (seconds < 2) return '1 second';
  if (seconds < 60) return `${Math.floor(seconds)} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(seconds / 3600);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  const days = hours / 24;
  if (days < 14) return `${Math.floor(days)} days`;
  if (days < 60) return `${Math.floor(days / 7)} weeks`;
  if (days < 730) return `${Math.floor(days / 30)} months`;
  return `${Math.floor(seconds / yearSeconds)} years`;
}

/** The `Status` of a listed container, for people. */
export function describeState(state: ContainerState, nowNs: bigint, health?: HealthState): string {
  const since = (ns: bigint): string => roughDuration(Number(nowNs - ns) / 1e9);
  switch (state.phase) {
    case 'running':
      if (state.paused === true) return `Up ${since(state.startedNs)} (Paused)`;
      return `Up ${since(state.startedNs)}${health === undefined ? '' : ` (${describeHealth(health)})`}`;
    case 'restarting':
      return `Restarting (${state.exitCode}) ${since(state.finishedNs)} ago`;
    case 'created':
      return 'Created';
    case 'exited':
      return state.finishedNs === 0n ? 'Created' : `Exited (${state.exitCode}) ${since(state.finishedNs)} ago`;
  }
}
