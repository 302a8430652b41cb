import { EngineError } from '../../base/errors.ts';

/** A command that failed in what a stream tells of: clients exit with its code. */
export class CommandFailure extends EngineError {
  readonly exitCode: number;

  constructor(message: string, exitCode: number, cause?: unknown) {
    super('internal', message, { cause });
    this.exitCode = exitCode;
  }
}

/** One line of a JSON progress stream (pull, load, import, push, build). */
export interface ProgressMessage {
  /** Text to be shown as it is: `Loaded image: busybox:latest\n`. */
  stream?: string;
  /** `Pulling from library/busybox`, `Downloading`, `Pull complete`, ... */
  status?: string;
  /** What the status is about: usually the first 12 hex digits of a layer's digest. */
  id?: string;
  /** Bytes done and wanted; `total` is left out while it is not known. */
  progressDetail?: { current?: number; total?: number; start?: number; hidecounts?: boolean; units?: string };
  /** A ready-made bar for clients that do not draw one. */
  progress?: string;
  /** Data for programs, such as the id of what was made; BuildKit's events are text, in base64. */
  aux?: Readonly<Record<string, unknown>> | string;
}

/** Takes progress as it happens; never blocks. Messages with `progressDetail` may be dropped for slow clients. */
export type ProgressSink = (message: ProgressMessage) => void;
