/** What the kernel keeps of a file in memory. */
import { check } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, {
  posix_fadvise: { arguments: ['i32', 'i64', 'i64', 'i32'], return: 'i32' },
  sync_file_range: { arguments: ['i32', 'i64', 'i64', 'u32'], return: 'i32' },
});
const POSIX_FADV_DONTNEED = 4;
const SYNC_FILE_RANGE_WRITE = 2;

/** Drops the clean pages of a file: after fsync, all of them. It is advice: the kernel may keep what is in use. */
export function dropPageCache(fd: number): void {
  libc.posix_fadvise(fd, 0n, 0n, POSIX_FADV_DONTNEED);
}

/**
 * Starts writing a range's dirty pages to disk and does not wait, so that a later fsync has little left to do.
 * It says nothing about durability. @throws SystemError.
 */
export function startWriteback(fd: number, offset: number, length: number): void {
  check(libc.sync_file_range(fd, BigInt(offset), BigInt(length), SYNC_FILE_RANGE_WRITE), 'sync_file_range');
}
