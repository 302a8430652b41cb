import type { ContainerStateView, ContainerStatus } from '../spec/engine/container.ts';
import { formatTime, zeroTime } from '../base/clock.ts';

/** What is remembered of the last run, whatever the phase. Times are wall clock nanoseconds, 0 for never. */
export interface LastRun {
  readonly startedNs: bigint;
  readonly finishedNs: bigint;
  /** 0 to 255. */
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** Why the last start failed; empty otherwise. */
  readonly error: string;
}

/** The life of a container. */
export type ContainerState =
  | (LastRun & { readonly phase: 'created' })
  | (LastRun & {
      readonly phase: 'running';
      readonly pid: number;
      readonly pidStart: number;
      /** Its processes stand still until somebody lets them run on; for everything else it runs. */
      readonly paused?: boolean;
    })
  /** It ended and will be started again by its restart policy. */
  | (LastRun & { readonly phase: 'restarting' })
  | (LastRun & { readonly phase: 'exited' });

export type RunningState = Extract<ContainerState, { phase: 'running' }>;

export const createdState: ContainerState = {
  phase: 'created',
  startedNs: 0n,
  finishedNs: 0n,
  exitCode: 0,
  oomKilled: false,
  error: '',
};

const lastRunOf = ({ startedNs, finishedNs, exitCode, oomKilled, error }: LastRun): LastRun => ({
  startedNs,
  finishedNs,
  exitCode,
  oomKilled,
  error,
});

export function started(
  state: ContainerState,
  run: { pid: number; pidStart: number; startedNs: bigint },
): RunningState {
  return {
    phase: 'running',
    pid: run.pid,
    pidStart: run.pidStart,
    startedNs: run.startedNs,
    finishedNs: state.finishedNs,
    exitCode: 0,
    oomKilled: false,
    error: '',
  };
}

/** The first process ended; `again` when the restart policy will start it once more. */
export function ended(
  state: ContainerState,
  exit: { code: number; oomKilled: boolean; finishedNs: bigint },
  again: boolean,
): ContainerState {
  return {
    ...lastRunOf(state),
    phase: again ? 'restarting' : 'exited',
    exitCode: exit.code,
    oomKilled: exit.oomKilled,
    finishedNs: exit.finishedNs,
  };
}

/** A start did not succeed: a container that never ran stays `created`, one that did is `exited`. */
export function startFailed(state: ContainerState, failure: { exitCode: number; message: string }): ContainerState {
  const last = lastRunOf(state);
  const phase = state.phase === 'created' ? 'created' : 'exited';
  return { ...last, phase, exitCode: failure.exitCode, error: failure.message };
}

/** Waiting for an automatic restart was called off by the user. */
export function settled(state: ContainerState): ContainerState {
  return state.phase === 'restarting' ? { ...lastRunOf(state), phase: 'exited' } : state;
}

export const paused = (state: RunningState): RunningState => ({ ...state, paused: true });

export const unpaused = (state: RunningState): RunningState => ({ ...state, paused: false });

export const isPaused = (state: ContainerState): boolean => state.phase === 'running' && state.paused === true;

/** The state in one word, as `State.Status`, `ps` and its filter `status` have it. */
export const statusOf = (state: ContainerState): ContainerStatus => (isPaused(state) ? 'paused' : state.phase);

const timeOf = (ns: bigint): string => (ns === 0n ? zeroTime : formatTime(ns));

/** Docker's `State` object. `restarting` counts as running there. */
export function viewState(state: ContainerState): ContainerStateView {
  const { phase } = state;
  return {
    Status: statusOf(state),
    Running: phase === 'running' || phase === 'restarting',
    Paused: isPaused(state),
    Restarting: phase === 'restarting',
    OOMKilled: state.oomKilled,
    // A removal deletes the record first: none is ever left half removed.
    Dead: false,
    Pid: phase === 'running' ? state.pid : 0,
    ExitCode: state.exitCode,
    Error: state.error,
    StartedAt: timeOf(state.startedNs),
    FinishedAt: timeOf(state.finishedNs),
  };
}
