import type { StdioChannel } from '../../spec/contract/launch.ts';
import type { LogBatch, LogReadOptions } from '../../spec/contract/logs.ts';
import type { StatsView } from '../../spec/engine/stats.ts';

export interface AttachSession {
  readonly tty: boolean;
  /** Whether the container was made with an open stdin. */
  readonly openStdin: boolean;
  /**
   * The container's stdio, also before it was started (output then begins with the start). Its sinks are ended when
   * the container stops, or when its start fails. `closeStdin` says that this client sends no more: it reaches the
   * process only where Docker passes it on (StdinOnce without a terminal).
   */
  readonly stdio: Omit<StdioChannel, 'drained'>;
  /** To be called when the client left by its detach keys (event `detach`). */
  detached(): void;
}

/** The log of a container. */
export interface ContainerLog {
  readonly tty: boolean;
  readonly batches: AsyncIterable<LogBatch>;
  /** What the log options attach to every entry: labels, variables, a tag. */
  readonly attributes: ReadonlyMap<string, string>;
}

/** What flows from and to running containers. */
export interface ContainerStreamsApi {
  attach(nameOrId: string): Promise<AttachSession>;
  /** @throws before the first batch when the container does not exist or its log cannot be read. */
  logs(nameOrId: string, options: LogReadOptions): Promise<ContainerLog>;
  /** Throws away what it has printed so far. @throws not-implemented when it keeps no log. */
  clearLogs(nameOrId: string): Promise<void>;
  /** @throws conflict when it does not run. */
  resize(nameOrId: string, rows: number, columns: number): Promise<void>;
  /**
   * One view a second with `stream`, else a single one: after two samples, or with `oneShot` of one. Ends when the
   * container is removed; rejects with `cancelled` when the signal aborts.
   */
  stats(
    nameOrId: string,
    options: { readonly stream: boolean; readonly oneShot: boolean; readonly signal: AbortSignal },
  ): Promise<AsyncIterable<StatsView>>;
}
