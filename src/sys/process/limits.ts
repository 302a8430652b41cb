import { check } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, {
  prlimit64: { arguments: ['i32', 'i32', 'pointer', 'pointer'], return: 'i32' },
});

const RLIMIT_FSIZE = 1;
const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;

/**
 * Lets a process write files up to so many bytes only: what goes beyond fails with EFBIG, when the process ignores
 * SIGXFSZ, and else ends it. Processes that it has already are not limited. @throws SystemError, `ESRCH` without such
 * a process.
 */
export function limitFileSize(pid: number, bytes: number): void {
  const limit = Buffer.alloc(16);
  limit.writeBigUInt64LE(BigInt(bytes), 0);
  limit.writeBigUInt64LE(RLIM_INFINITY, 8);
  check(libc.prlimit64(pid, RLIMIT_FSIZE, limit, null), 'prlimit', String(pid));
}
