/**
 * Every failure that the engine reports is one `EngineError` with a code out of this closed union. HTTP statuses,
 * registry error codes and exit codes exist only in total maps at the borders (`src/api/errors.ts`, `src/cli`).
 */
export type ErrorCode =
  /** The request itself is wrong: malformed, wrong-typed, out of range, contradictory. */
  | 'invalid'
  /** A named object does not exist. */
  | 'not-found'
  /** The request contradicts the current state: name taken, container running, image in use. */
  | 'conflict'
  /** The wanted state is the current state already (Docker answers 304). */
  | 'not-modified'
  | 'unauthorized'
  | 'forbidden'
  /** Docker's own API has it, this engine has not yet. */
  | 'not-implemented'
  /** A part the engine needs (runtime, registry, kernel feature) is away for now; trying again may help. */
  | 'unavailable'
  /** The disk, the inodes or a quota are used up. */
  | 'no-space'
  /** The caller went away or cancelled. */
  | 'cancelled'
  /** Bytes that were read do not match their digest or their format. */
  | 'corrupt'
  /** Everything else: a bug or an unexpected answer of the system. */
  | 'internal';

export class EngineError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'EngineError';
    this.code = code;
  }
}

/** Shorthand constructors for the codes that are thrown most. */
export const invalid = (message: string, cause?: unknown): EngineError =>
  new EngineError('invalid', message, { cause });
export const notFound = (message: string): EngineError => new EngineError('not-found', message);
export const conflict = (message: string): EngineError => new EngineError('conflict', message);
export const internal = (message: string, cause?: unknown): EngineError =>
  new EngineError('internal', message, { cause });

/** The message of anything that was thrown, never empty. */
export function messageOf(error: unknown): string {
  if (error instanceof Error && error.message !== '') return error.message;
  const text = String(error);
  return text === '' ? 'unknown error' : text;
}

/** The code of anything that was thrown: an `EngineError`'s own, `no-space` for ENOSPC and EDQUOT, else `internal`. */
export function codeOf(error: unknown): ErrorCode {
  if (error instanceof EngineError) return error.code;
  if (error instanceof Error) {
    if (error.name === 'AbortError') return 'cancelled';
    const code = (error as { code?: unknown }).code;
    if (code === 'ENOSPC' || code === 'EDQUOT') return 'no-space';
  }
  return 'internal';
}
