/**
 * Changes to a directory by its descriptor and one name: no path, so nothing that a name says or a link points at leads
 * anywhere else. Names are bytes. For workers: may sleep. Descriptors are the caller's (`closeSync`).
 */
import { constants, openSync } from 'node:fs';
import { check, SystemError } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, {
  mkdirat: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  mknodat: { arguments: ['i32', 'pointer', 'u32', 'u64'], return: 'i32' },
  symlinkat: { arguments: ['pointer', 'i32', 'pointer'], return: 'i32' },
  linkat: { arguments: ['i32', 'pointer', 'i32', 'pointer', 'i32'], return: 'i32' },
  renameat: { arguments: ['i32', 'pointer', 'i32', 'pointer'], return: 'i32' },
  unlinkat: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' },
  fchown: { arguments: ['i32', 'u32', 'u32'], return: 'i32' },
  fchmod: { arguments: ['i32', 'u32'], return: 'i32' },
  fchownat: { arguments: ['i32', 'pointer', 'u32', 'u32', 'i32'], return: 'i32' },
  fchmodat: { arguments: ['i32', 'pointer', 'u32', 'i32'], return: 'i32' },
  futimens: { arguments: ['i32', 'pointer'], return: 'i32' },
  utimensat: { arguments: ['i32', 'pointer', 'pointer', 'i32'], return: 'i32' },
  fsetxattr: { arguments: ['i32', 'pointer', 'pointer', 'u64', 'i32'], return: 'i32' },
  syncfs: { arguments: ['i32'], return: 'i32' },
});

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

/** One name in a directory, as the calls here want it. @throws SystemError `EINVAL` for what is no single name. */
export function nativeName(name: Uint8Array): Buffer {
  const bytes = Buffer.concat([name, Buffer.from([0])]);
  const isDots = name.length <= 2 && name.every((byte) => byte === 0x2e);
  if (isDots || name.includes(0) || name.includes(0x2f))
    throw new SystemError(22, 'name', Buffer.from(name).toString());
  return bytes;
}

const shown = (name: Buffer): string => name.toString('utf8', 0, name.length - 1);

/** A path for node:fs that leads to a name in an open directory. */
export const pathAt = (directory: number, name: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name.subarray(0, -1)]);

/**
 * Opens the directory at a name itself: a link there is not followed (`ENOTDIR`). `name` is out of `nativeName`, here and
 * below. As all descriptors of node:fs in a worker it is closed when the worker is stopped in the middle.
 */
export const openDirectoryAt = (directory: number, name: Buffer): number =>
  openSync(pathAt(directory, name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

/** The directory above. Only where nobody else moves directories about. */
export const openParent = (directory: number): number =>
  openSync(`/proc/self/fd/${directory}/..`, O_RDONLY | O_DIRECTORY);

export function makeDirectoryAt(directory: number, name: Buffer, mode: number): void {
  check(libc.mkdirat(directory, name, mode), 'mkdirat', shown(name));
}

/** `mode` with its type bits. */
export function makeNodeAt(directory: number, name: Buffer, mode: number, device: bigint): void {
  check(libc.mknodat(directory, name, mode, device), 'mknodat', shown(name));
}

/** `target` is NUL-terminated. */
export function makeLinkAt(directory: number, name: Buffer, target: Buffer): void {
  check(libc.symlinkat(target, directory, name), 'symlinkat', shown(name));
}

/** One more name for a file; a link is not followed. @throws SystemError `EMLINK` beyond the file system's limit. */
export function linkAt(from: number, name: Buffer, to: number, newName: Buffer): void {
  check(libc.linkat(from, name, to, newName, 0), 'linkat', shown(newName));
}

export function renameAt(from: number, name: Buffer, to: number, newName: Buffer): void {
  check(libc.renameat(from, name, to, newName), 'renameat', shown(newName));
}

export function unlinkAt(directory: number, name: Buffer): void {
  check(libc.unlinkat(directory, name, 0), 'unlinkat', shown(name));
}

export function removeDirectoryAt(directory: number, name: Buffer): void {
  check(libc.unlinkat(directory, name, AT_REMOVEDIR), 'rmdir', shown(name));
}

export interface Ownership {
  readonly uid: number;
  readonly gid: number;
}

/** Owner first, then mode: a change of owner clears the set-id bits. */
export function setOwnerAndMode(fd: number, { uid, gid }: Ownership, mode: number): void {
  check(libc.fchown(fd, uid, gid), 'fchown');
  check(libc.fchmod(fd, mode), 'fchmod');
}

/** Of a link itself. */
export function setOwnerAt(directory: number, name: Buffer, { uid, gid }: Ownership): void {
  check(libc.fchownat(directory, name, uid, gid, AT_SYMLINK_NOFOLLOW), 'fchownat', shown(name));
}

/** Follows a link: only for names that are known to be none. */
export function setModeAt(directory: number, name: Buffer, mode: number): void {
  check(libc.fchmodat(directory, name, mode, 0), 'fchmodat', shown(name));
}

/** Access and modification time, as seconds (may be negative) and nanoseconds. */
export interface FileTime {
  readonly mtime: number;
  readonly mtimeNsec: number;
}

function timespecs({ mtime, mtimeNsec }: FileTime): Buffer {
  const times = Buffer.alloc(32);
  for (const at of [0, 16]) {
    times.writeBigInt64LE(BigInt(mtime), at);
    times.writeBigInt64LE(BigInt(mtimeNsec), at + 8);
  }
  return times;
}

export function setTime(fd: number, time: FileTime): void {
  check(libc.futimens(fd, timespecs(time)), 'futimens');
}

/** Of a link itself. */
export function setTimeAt(directory: number, name: Buffer, time: FileTime): void {
  check(libc.utimensat(directory, name, timespecs(time), AT_SYMLINK_NOFOLLOW), 'utimensat', shown(name));
}

/** @throws SystemError `ENOTSUP` where the file system has no such attributes. */
export function setXattrOf(fd: number, name: string, value: Uint8Array): void {
  check(libc.fsetxattr(fd, name, value, BigInt(value.length), 0), `fsetxattr ${name}`);
}

/** Brings everything of the file system that `fd` is on to the disk. @throws SystemError `EIO`, `ENOSPC` when that failed. */
export function syncFileSystem(fd: number): void {
  check(libc.syncfs(fd), 'syncfs');
}
