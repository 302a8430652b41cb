import { check } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, {
  fallocate: { arguments: ['i32', 'i32', 'i64', 'i64'], return: 'i32' },
});
const FALLOC_FL_KEEP_SIZE = 1;

/**
 * Gives a file room on the disk from its beginning to `bytes`, also beyond its end: what is written there later needs
 * no new blocks. The size stays as it is. It may wait for the disk: not for the main thread. @throws SystemError, among
 * others ENOSPC, and EOPNOTSUPP where the file system cannot do it.
 */
export function preallocate(fd: number, bytes: number): void {
  check(libc.fallocate(fd, FALLOC_FL_KEEP_SIZE, 0n, BigInt(bytes)), 'fallocate');
}
