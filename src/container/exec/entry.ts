import { Latch } from '../../base/async.ts';
import type { ExecId } from '../../base/ids.ts';
import type { ExitStatus, LaunchedExec } from '../../spec/contract/launch.ts';
import type { CreateExecRequest } from '../../spec/engine/container.ts';

/** One exec of a container. Execs live in memory only, as Docker's do: they end with the engine's knowledge of them. */
export interface ExecEntry {
  readonly id: ExecId;
  readonly request: CreateExecRequest;
  phase: 'created' | 'starting' | 'running' | 'ended';
  live: LaunchedExec | undefined;
  exitCode: number | undefined;
  /** Set when the exec ended, or could not be started. */
  readonly ended: Latch<ExitStatus>;
  /** Asked for before the process ran; handed over at the start. */
  pendingSize: readonly [number, number] | undefined;
}

export function newExecEntry(id: ExecId, request: CreateExecRequest): ExecEntry {
  return {
    id,
    request,
    phase: 'created',
    live: undefined,
    exitCode: undefined,
    ended: new Latch(),
    pendingSize: request.ConsoleSize,
  };
}
