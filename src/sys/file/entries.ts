/**
 * What packs and unpacks trees: calls on names inside an open directory. A name is one component, as bytes in a string
 * (latin1); a link of that name is never followed, so whoever changes the directory meanwhile cannot lead a call
 * elsewhere. Mounts are crossed. For workers: may sleep. Changes of a directory are made by at.ts.
 */
import { constants, ftruncateSync, readdirSync } from 'node:fs';
import { closeFd } from '../ffi/descriptor.ts';
import { check, SystemError } from '../ffi/errors.ts';
import { lastErrno, openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, {
  openat: { arguments: ['i32', 'pointer', 'i32', 'u32'], return: 'i32' },
  statx: { arguments: ['i32', 'pointer', 'i32', 'u32', 'pointer'], return: 'i32' },
  unlinkat: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' },
  readlinkat: { arguments: ['i32', 'pointer', 'pointer', 'u64'], return: 'i64' },
  read: { arguments: ['i32', 'pointer', 'u64'], return: 'i64' },
  write: { arguments: ['i32', 'pointer', 'u64'], return: 'i64' },
  lseek: { arguments: ['i32', 'i64', 'i32'], return: 'i64' },
});

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const O_CLOEXEC = 0o2000000;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const AT_EMPTY_PATH = 0x1000;
/** The basic ones, and the mount. */
const STATX_MASK = 0x17ff;
const ENOENT = 2;
const SEEK_SET = 0;
const SEEK_CUR = 1;
const EINTR = 4;
const longestLink = 4096;

/** One name in a directory: bytes as chars 0 to 255, without slash. */
type Name = string;

/** The name for the calls of at.ts. */
export const native = (name: Name): Buffer => Buffer.from(`${name}\0`, 'latin1');
const shown = (name: Name): string => Buffer.from(name, 'latin1').toString();

/** What statx(2) tells of a file. */
export interface NodeStat {
  /** Type and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Seconds since 1970, rounded down, and the nanoseconds above that. */
  readonly mtime: number;
  readonly mtimeNsec: number;
  /** The same of the last access, and of the last change of content or attributes, which nobody can set. */
  readonly atime: number;
  readonly atimeNsec: number;
  readonly ctime: number;
  readonly ctimeNsec: number;
  readonly links: number;
  /** What it takes on the disk, in units of 512 bytes. */
  readonly blocks: number;
  /** The mount that it was found in; 0 before Linux 5.8. */
  readonly mount: number;
  /** Of a device. */
  readonly major: number;
  readonly minor: number;
  /** File system and inode: the same for all names of one file. */
  readonly identity: string;
}

export type NodeType = 'file' | 'directory' | 'symlink' | 'char' | 'block' | 'fifo' | 'socket';
const types: Readonly<Record<number, NodeType>> = {
  0o010000: 'fifo',
  0o020000: 'char',
  0o040000: 'directory',
  0o060000: 'block',
  0o100000: 'file',
  0o120000: 'symlink',
  0o140000: 'socket',
};
/** The type in the upper bits of a mode. */
export const nodeType = (mode: number): NodeType => types[mode & 0o170000] ?? 'file';

const statBuffer = Buffer.alloc(256);

function stat(fd: number, name: Name, flags: number): NodeStat | undefined {
  if (libc.statx(fd, native(name), flags, STATX_MASK, statBuffer) < 0) {
    const errno = lastErrno();
    if (errno === ENOENT) return undefined;
    throw new SystemError(errno, 'statx', shown(name));
  }
  // struct statx (statx(2)): the same on every architecture.
  const at = statBuffer;
  return {
    links: at.readUInt32LE(16),
    uid: at.readUInt32LE(20),
    gid: at.readUInt32LE(24),
    mode: at.readUInt16LE(28),
    size: Number(at.readBigUInt64LE(40)),
    blocks: Number(at.readBigUInt64LE(48)),
    atime: Number(at.readBigInt64LE(64)),
    atimeNsec: at.readUInt32LE(72),
    ctime: Number(at.readBigInt64LE(96)),
    ctimeNsec: at.readUInt32LE(104),
    mount: Number(at.readBigUInt64LE(144)),
    mtime: Number(at.readBigInt64LE(112)),
    mtimeNsec: at.readUInt32LE(120),
    major: at.readUInt32LE(128),
    minor: at.readUInt32LE(132),
    identity: `${at.readUInt32LE(136)}:${at.readUInt32LE(140)}:${at.readBigUInt64LE(32)}`,
  };
}

/** Undefined when there is nothing of that name. @throws SystemError. */
export const statAt = (directory: number, name: Name): NodeStat | undefined =>
  stat(directory, name, AT_SYMLINK_NOFOLLOW);

/** What a descriptor stands for (O_PATH too). @throws SystemError. */
export function statOf(fd: number): NodeStat {
  const found = stat(fd, '', AT_EMPTY_PATH);
  if (found === undefined) throw new SystemError(ENOENT, 'statx');
  return found;
}

/** Opens a name; the descriptor is the caller's, close-on-exec, and gets no new controlling terminal. @throws SystemError. */
export const openAt = (directory: number, name: Name, flags: number, mode = 0): number =>
  check(
    libc.openat(directory, native(name), flags | O_NOFOLLOW | O_CLOEXEC | constants.O_NOCTTY, mode),
    'openat',
    shown(name),
  );

/** Opens a directory to read it. @throws SystemError `ENOTDIR`, `ELOOP` for what is none. */
export const openDirectoryAt = (directory: number, name: Name): number =>
  openAt(directory, name, O_RDONLY | O_DIRECTORY);

/** Opens a file for reading without waiting, should it be a pipe by now. @throws SystemError. */
export const openFileAt = (directory: number, name: Name): number => openAt(directory, name, O_RDONLY | O_NONBLOCK);

/** The names in a directory, opened for reading or as O_PATH. @throws system errors of node:fs. */
export const namesIn = (directory: number): Name[] => readdirSync(`/proc/self/fd/${directory}`, { encoding: 'latin1' });

/** The same, with whether it was a regular file when it was read; what comes to the name later may be anything. */
export const filesIn = (directory: number): { readonly name: Name; readonly isFile: boolean }[] =>
  readdirSync(`/proc/self/fd/${directory}`, { encoding: 'latin1', withFileTypes: true }).map((entry) => ({
    name: entry.name,
    isFile: entry.isFile(),
  }));

/** @throws SystemError. */
export function readLinkAt(directory: number, name: Name): string {
  const text = Buffer.alloc(longestLink);
  const length = check(libc.readlinkat(directory, native(name), text, BigInt(text.length)), 'readlinkat', shown(name));
  return text.toString('latin1', 0, length);
}

/** Bytes read, 0 at the end. @throws SystemError. */
export function readInto(fd: number, bytes: Buffer): number {
  for (;;) {
    const got = Number(libc.read(fd, bytes, BigInt(bytes.length)));
    if (got >= 0) return got;
    if (lastErrno() !== EINTR) throw new SystemError(lastErrno(), 'read');
  }
}

/** Writes all of it. @throws SystemError. */
export function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) {
    const rest = at === 0 ? bytes : bytes.subarray(at);
    const wrote = Number(libc.write(fd, rest, BigInt(rest.length)));
    if (wrote >= 0) at += wrote;
    else if (lastErrno() !== EINTR) throw new SystemError(lastErrno(), 'write');
  }
}

/** Leaves a hole of so many bytes where the file is written; it counts for its length at once. @throws SystemError `EFBIG`. */
export function skipAhead(fd: number, length: number): void {
  const position = Number(libc.lseek(fd, BigInt(length), SEEK_CUR));
  if (position < 0) throw new SystemError(lastErrno(), 'lseek');
  ftruncateSync(fd, position);
}

/** Where the next read begins. @throws SystemError. */
export function seekTo(fd: number, offset: number): void {
  check(libc.lseek(fd, BigInt(offset), SEEK_SET), 'lseek');
}

/** A device number as mknod(2) takes it (makedev(3)). */
export function deviceNumber(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return ((high & 0xfffff000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffffff00n) << 12n) | (low & 0xffn);
}

/** Deletes a name and, when it is a directory, all below it; nothing there is no error. @throws SystemError. */
export function removeAt(directory: number, name: Name): void {
  if (libc.unlinkat(directory, native(name), 0) === 0) return;
  const errno = lastErrno();
  if (errno === ENOENT) return;
  if (statAt(directory, name)?.mode === undefined) return;
  const isDirectory = nodeType(statAt(directory, name)?.mode ?? 0) === 'directory';
  if (!isDirectory) throw new SystemError(errno, 'unlink', shown(name));
  const inside = openDirectoryAt(directory, name);
  try {
    for (const child of namesIn(inside)) removeAt(inside, child);
  } finally {
    closeFd(inside);
  }
  check(libc.unlinkat(directory, native(name), AT_REMOVEDIR), 'rmdir', shown(name));
}
