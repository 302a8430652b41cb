import type { ContainerId } from '../../base/ids.ts';

/**
 * Some consecutive entries of a log. An entry is one write of a container as the monitor recorded it: usually a line,
 * with its newline. They are places in one block of bytes, since a log has millions of them; the block and the places
 * are valid until the next batch is asked for.
 */
export interface LogBatch {
  readonly count: number;
  readonly block: Buffer;
  /** Where the bytes of an entry begin, and where they end, its newline included when the container wrote one. */
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  /** 1 for stdout, 2 for stderr, and 4 added when the entry does not end its line. */
  readonly kinds: Uint8Array;
  timeNs(index: number): bigint;
  /** Writes an entry's time as RFC 3339, UTC, with nine decimals (30 bytes); answers where it ends. */
  copyTime(index: number, target: Buffer, at: number): number;
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
  /** A file of so many bytes was full, see `RotationLimits`: an entry behind it says so. */
  readonly guardBytes?: number;
}

/** What log options may tell about a container: its labels and variables, and the fields of a tag's template. */
export interface LoggedContainer {
  readonly id: ContainerId;
  /** Without a slash. */
  readonly name: string;
  readonly imageId: string;
  readonly imageName: string;
  readonly createdNs: bigint;
  readonly entrypoint: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** A log driver and its options, complete. */
export interface LogSettings {
  readonly driver: string;
  readonly options: Readonly<Record<string, string>>;
}

/**
 * How much of a log is kept: files of about so many bytes (or without end), the current one included. With `compress`
 * all but the current one are compressed.
 */
export interface RotationLimits {
  readonly maxBytes: number;
  readonly maxFiles: number;
  /** The monitor writes no more than this to a file, 0 for no end: what comes then is lost, until the engine rotates. */
  readonly guardBytes: number;
  readonly compress: boolean;
}

/** The logs of containers: written by the monitors, read, followed and rotated here. */
export interface ContainerLogs {
  /**
   * Entries in order over all rotated files. With `follow` it goes on until `ended` resolves and everything written
   * was delivered, or until the signal aborts. A place where a file was full shows as one entry that says so.
   */
  read(logPath: string, options: LogReadOptions, ended: Promise<unknown>): AsyncIterable<LogBatch>;
  /**
   * Refuses an unknown driver and options that it does not know or cannot read; with `container` also what shows only
   * with one, such as a tag's template. @throws EngineError `invalid` in Docker's words.
   */
  check(settings: LogSettings, container?: LoggedContainer): void;
  /** How much of the log is kept on disk. @throws EngineError `invalid` for settings that `check` refuses. */
  limits(settings: LogSettings): RotationLimits;
  /** What the options attach to every entry: chosen labels and variables, and the tag where one is asked for. */
  attributes(container: LoggedContainer, settings: LogSettings): ReadonlyMap<string, string>;
  /**
   * Takes care of a running container's log: rotates it (rename, then `reopen`), and sends it to its driver's backend,
   * from where the last run's or engine's sending got to. Calling it again replaces what was said before.
   */
  begin(run: LoggedRun): void;
  /** The run is over: no rotation any more; what was not sent yet is sent in the background. */
  end(id: ContainerId): void;
  /** At boot, of a container that does not run: sends what an earlier engine did not. */
  finish(run: Omit<LoggedRun, 'reopen'>): void;
  /** Resolves when everything was sent, but after ten seconds at the latest. */
  sent(id: ContainerId): Promise<void>;
  /** Throws away what was written so far; with `reopen` a monitor goes on writing. */
  clear(logPath: string, reopen: (() => Promise<void>) | undefined): Promise<void>;
  /** Lets go of all logs at once; what was not sent is sent by the next engine. */
  close(): Promise<void>;
}

/** The log of one run of a container. */
export interface LoggedRun {
  readonly container: LoggedContainer;
  readonly logPath: string;
  readonly settings: LogSettings;
  /** Makes the monitor close its log and open it anew by path. */
  readonly reopen: () => Promise<void>;
}
