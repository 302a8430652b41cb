/**
 * Changes to a directory by its descriptor and one name: no path, so nothing that a name says or a link points at leads
 * anywhere else. Names are bytes. For workers: may sleep. Descriptors are the caller's (`closeFd`).
 */
import { constants } from 'node:fs';
import { check, SystemError } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, {
  syscall: { arguments: ['i64', 'i64', 'pointer', 'pointer', 'u64'], return: 'i64' },
  openat: { arguments: ['i32', 'pointer', 'i32', 'u32'], return: 'i32' },
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

/** The same number on every architecture that came after the unified table. */
const SYS_openat2 = 437n;
const RESOLVE_NO_XDEV = 0x01n;
const RESOLVE_NO_SYMLINKS = 0x04n;
const RESOLVE_BENEATH = 0x08n;
const O_CLOEXEC = 0o2000000;
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

/** Opens what is at a name itself: no link is followed, no mount crossed. `name` is out of `nativeName`, here and below. */
export function openAt(directory: number, name: Buffer, flags: number, mode = 0): number {
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(flags | O_CLOEXEC | O_NOFOLLOW), 0);
  how.writeBigUInt64LE(BigInt(mode), 8);
  how.writeBigUInt64LE(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV, 16);
  return check(libc.syscall(SYS_openat2, BigInt(directory), name, how, 24n), 'openat2', shown(name));
}

export const openDirectoryAt = (directory: number, name: Buffer): number =>
  openAt(directory, name, O_RDONLY | O_DIRECTORY);

/** The directory above. Only where nobody else moves directories about. */
export const openParent = (directory: number): number =>
  check(libc.openat(directory, '..', O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), 'openat', '..');

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
