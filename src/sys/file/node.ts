/** What node:fs lacks to make a file exactly like another one. For workers: may sleep. */
import { check } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';
import { nativePath } from './xattr.ts';

const libc = openLibrary(null, {
  mknod: { arguments: ['pointer', 'u32', 'u64'], return: 'i32' },
  utimensat: { arguments: ['i32', 'pointer', 'pointer', 'i32'], return: 'i32' },
});
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const nsPerSecond = 1_000_000_000n;

/** Makes a device, FIFO or socket: `mode` with its type bits, `device` as stat(2) gives it. @throws SystemError. */
export function makeNode(path: Buffer, mode: number, device: bigint): void {
  check(libc.mknod(nativePath(path), mode, device), 'mknod', path.toString());
}

/** Sets both times to the nanosecond, of a link itself too. @throws SystemError. */
export function setTimes(path: Buffer, accessNs: bigint, modifyNs: bigint): void {
  const times = Buffer.alloc(32);
  for (const [index, ns] of [accessNs, modifyNs].entries()) {
    // struct timespec counts nanoseconds upwards, also before 1970.
    const fraction = ((ns % nsPerSecond) + nsPerSecond) % nsPerSecond;
    times.writeBigInt64LE((ns - fraction) / nsPerSecond, index * 16);
    times.writeBigInt64LE(fraction, index * 16 + 8);
  }
  check(libc.utimensat(AT_FDCWD, nativePath(path), times, AT_SYMLINK_NOFOLLOW), 'utimensat', path.toString());
}
