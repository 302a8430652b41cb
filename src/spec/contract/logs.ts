import type { ContainerId } from '../../base/ids.ts';

/** One write of a container as the monitor recorded it: usually a line, with its newline. */
export interface LogEntry {
  readonly stream: 'stdout' | 'stderr';
  readonly timeNs: bigint;
  /** The bytes, newline included when the container wrote one. */
  readonly bytes: Uint8Array;
}

export interface LogReadOptions {
  readonly follow: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Wall clock nanoseconds, inclusive. */
  readonly sinceNs?: bigint;
  readonly untilNs?: bigint;
  /** The last so many lines only; undefined for all. */
  readonly tail?: number;
  readonly signal?: AbortSignal;
}

/** The logs of containers: written by the monitors, read, followed and rotated here. */
export interface ContainerLogs {
  /**
   * Entries in order over all rotated files. With `follow` it goes on until `ended` resolves and everything written
   * was delivered, or until the signal aborts. A place where the monitor cut the file shows as one entry that says so.
   */
  read(logPath: string, options: LogReadOptions, ended: Promise<unknown>): AsyncIterable<LogEntry>;
  /**
   * Watches the size of a running container's log and rotates it (rename, then `reopen`), keeping at most `maxFiles`
   * files of about `maxBytes` each. Calling it again replaces the limits.
   */
  keepRotated(
    id: ContainerId,
    logPath: string,
    limits: { maxBytes: number; maxFiles: number },
    reopen: () => Promise<void>,
  ): void;
  /** Stops watching. */
  forget(id: ContainerId): void;
  /** Deletes the log and its rotated files. */
  remove(logPath: string): Promise<void>;
}
