import type { StdioChannel, StdioSink } from '../../spec/contract/launch.ts';
import type { CreateExecRequest } from '../../spec/engine/container.ts';
import type { ExecInspect, ExecListItem } from '../../spec/engine/exec.ts';

export interface ExecStartOptions {
  /** Rows and columns. */
  readonly consoleSize?: readonly [number, number];
  /** Watch from the first byte on; none for a detached start. */
  readonly sinks: readonly StdioSink[];
}
export interface StartableExec {
  readonly tty: boolean;
  readonly openStdin: boolean;
  /** What the client wants to see; true when left out. */
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  readonly detachKeys: string | undefined;
  /** `clientGone` is to be called when the client is. */
  readonly killOnDisconnect?: boolean;
}
export interface StartedExec {
  readonly stdio: StdioChannel;
}
export interface ExecService {
  /** Gives the new exec's id. @throws conflict when the container does not run. */
  create(nameOrId: string, request: CreateExecRequest): Promise<string>;
  /** @throws not-found; conflict when its container does not run any more, or when it was started before. */
  startable(id: string): Promise<StartableExec>;
  /**
   * Resolves when the process runs. The sinks are ended after the exit code was recorded, so that an `inspect` after
   * the end of the stream finds it. @throws EngineError with the runtime's reason; the exec then counts as ended.
   */
  start(id: string, options: ExecStartOptions): Promise<StartedExec>;
  /** @throws conflict when it does not run. */
  resize(id: string, rows: number, columns: number): Promise<void>;
  inspect(id: string): Promise<ExecInspect>;
  /** All that are known of a container, the oldest first. */
  list(nameOrId: string): Promise<ExecListItem[]>;
  /**
   * `signal` as the client wrote it, undefined for SIGKILL, which reaches all that the exec started. `id` may be a
   * prefix. @throws not-found; conflict when it does not run.
   */
  kill(id: string, signal: string | undefined): Promise<void>;
  /** Kills it when it was made so. */
  clientGone(id: string): Promise<void>;
}
