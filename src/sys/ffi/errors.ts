import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import { lastErrno } from './library.ts';

/** A failed system call. It has the fields of Node's own system errors, so `error.code === 'ENOENT'` works for both. */
export class SystemError extends Error {
  /** `ENOENT`, ... */
  readonly code: string;
  /** The positive number of errno(3). */
  readonly errno: number;
  readonly syscall: string;
  readonly path: string | undefined;

  constructor(errno: number, syscall: string, path?: string) {
    const code = errno > 0 ? getSystemErrorName(-errno) : 'UNKNOWN';
    const reason = errno > 0 ? getSystemErrorMessage(-errno) : 'failed without an errno';
    super(`${code}: ${reason}, ${syscall}${path === undefined ? '' : ` '${path}'`}`);
    this.name = 'SystemError';
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    this.path = path;
  }
}

/** `result` as a number. @throws SystemError out of errno when it is negative; call it directly around the call. */
export function check(result: number | bigint, syscall: string, path?: string): number {
  if (result < 0) throw new SystemError(lastErrno(), syscall, path);
  return Number(result);
}

/** The `code` of anything thrown by the system (`ENOENT`), by this room or by Node; undefined for other errors. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' ? code : undefined;
}
