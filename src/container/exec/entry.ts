import { Latch } from '../../base/async.ts';
import type { ExecId } from '../../base/ids.ts';
import type { ExitStatus, LaunchedExec } from '../../spec/contract/launch.ts';
import type { CreateExecRequest } from '../../spec/engine/container.ts';

/**
 * One exec of a container. Execs live in memory only, as Docker's do; those that run are found again by the next engine
 * (`adopt.ts`), ended ones are forgotten with the engine.
 */
export interface ExecEntry {
  readonly id: ExecId;
  /** Wall clock. */
  readonly createdNs: bigint;
  /** A health check's, which ends with the engine's interest in it. */
  readonly isCheck: boolean;
  readonly request: CreateExecRequest;
  phase: 'created' | 'starting' | 'running' | 'ended';
  live: LaunchedExec | undefined;
  exitCode: number | undefined;
  /** Set when the exec ended, or could not be started. */
  readonly ended: Latch<ExitStatus>;
  /** Asked for before the process ran; handed over at the start. */
  pendingSize: readonly [number, number] | undefined;
}

export function newExecEntry(
  id: ExecId,
  request: CreateExecRequest,
  origin: { readonly createdNs: bigint; readonly isCheck: boolean },
): ExecEntry {
  return {
    id,
    ...origin,
    request,
    phase: 'created',
    live: undefined,
    exitCode: undefined,
    ended: new Latch(),
    pendingSize: request.ConsoleSize,
  };
}
