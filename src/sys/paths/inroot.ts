/**
 * Paths below a root that somebody else controls (a container's file system, a build context). Nothing here can be led
 * out of the root by links, `..` or a race: the kernel resolves every path with openat2(2). Synchronous: for workers,
 * and for short calls on local disks; paths.ts has the same as promises.
 */
import { constants, fstatSync, readlinkSync, readSync } from 'node:fs';
import { closeFd, openFd } from '../ffi/descriptor.ts';
import { check, SystemError, systemCode } from '../ffi/errors.ts';
import { lastErrno, openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, {
  syscall: { arguments: ['i64', 'i64', 'pointer', 'pointer', 'u64'], return: 'i64' },
  mkdirat: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  fchownat: { arguments: ['i32', 'pointer', 'u32', 'u32', 'i32'], return: 'i32' },
  readlinkat: { arguments: ['i32', 'pointer', 'pointer', 'u64'], return: 'i64' },
});

/** The same number on every architecture that came after the unified table. */
const SYS_openat2 = 437n;
const RESOLVE_NO_XDEV = 0x01n;
const RESOLVE_NO_MAGICLINKS = 0x02n;
const RESOLVE_NO_SYMLINKS = 0x04n;
const RESOLVE_BENEATH = 0x08n;
const RESOLVE_IN_ROOT = 0x10n;
const AT_SYMLINK_NOFOLLOW = 0x100;
const EAGAIN = 11;
const ELOOP = 40;
const EFBIG = 27;
const EINVAL = 22;
const MOST_LINKS = 255;

/** open(2) flags that node:fs does not name. */
export const O_PATH = 0o10000000;
export const O_CLOEXEC = 0o2000000;
const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

/** A directory: its path (trusted, links in it are followed) or a descriptor of it. */
export type Root = string | number;

export interface ResolveOptions {
  /** A path that leaves the root is an error (`EXDEV`) instead of being cut off at it. */
  readonly beneath?: boolean;
  /** Any link on the way is an error (`ELOOP`). */
  readonly noSymlinks?: boolean;
  /** Crossing into another mount is an error (`EXDEV`). */
  readonly noMounts?: boolean;
}

function withRoot<T>(root: Root, use: (fd: number) => T): T {
  if (typeof root === 'number') return use(root);
  const fd = openFd(root, O_PATH | O_DIRECTORY);
  try {
    return use(fd);
  } finally {
    closeFd(fd);
  }
}

/**
 * Opens `path` as if `root` were the root directory: absolute links and `..` stay inside. Magic links (/proc/self/fd)
 * are never followed. The descriptor is close-on-exec and the caller's. `path` as bytes (names need not be UTF-8) ends
 * with a NUL. @throws SystemError.
 */
export function openInRoot(
  root: Root,
  path: string | Buffer,
  flags: number,
  mode = 0,
  options: ResolveOptions = {},
): number {
  let resolve = RESOLVE_NO_MAGICLINKS | (options.beneath === true ? RESOLVE_BENEATH : RESOLVE_IN_ROOT);
  if (options.noSymlinks === true) resolve |= RESOLVE_NO_SYMLINKS;
  if (options.noMounts === true) resolve |= RESOLVE_NO_XDEV;
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(flags | O_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(mode), 8);
  how.writeBigUInt64LE(resolve, 16);
  return withRoot(root, (rootFd) => {
    // EAGAIN: something was renamed during the walk, and the kernel cannot vouch for `..`.
    for (let attempt = 0; ; attempt++) {
      const fd = Number(libc.syscall(SYS_openat2, BigInt(rootFd), path === '' ? '.' : path, how, 24n));
      if (fd >= 0) return fd;
      const errno = lastErrno();
      if (errno !== EAGAIN || attempt >= 100) throw new SystemError(errno, 'openat2', path.toString());
    }
  });
}

const partsOf = (path: string): string[] => path.split('/').filter((part) => part !== '' && part !== '.');

/** The text of the link that an O_PATH | O_NOFOLLOW descriptor stands for; undefined when it is no link. */
function linkText(fd: number): string | undefined {
  if (!fstatSync(fd).isSymbolicLink()) return undefined;
  const text = Buffer.alloc(4097);
  const length = check(libc.readlinkat(fd, '', text, BigInt(text.length)), 'readlinkat');
  return text.toString('utf8', 0, length);
}

/** What is at the link-free path `parts`: the text of a link, `there`, or `missing`. */
function look(rootFd: number, parts: readonly string[]): { link: string } | 'there' | 'missing' {
  let fd: number;
  try {
    fd = openInRoot(rootFd, parts.join('/'), O_PATH | O_NOFOLLOW, 0, { noSymlinks: true });
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 'missing';
    throw error;
  }
  try {
    const link = linkText(fd);
    return link === undefined ? 'there' : { link };
  } finally {
    closeFd(fd);
  }
}

/**
 * The absolute path inside the root that `path` leads to, free of links, `.` and `..`. What does not exist yet may be
 * at the end of it; links that lead nowhere are followed too. @throws SystemError `ELOOP`, `ENOTDIR` below a file.
 */
export function resolveInRoot(root: Root, path: string): string {
  return withRoot(root, (rootFd) => {
    const pending = partsOf(path).reverse();
    const resolved: string[] = [];
    let missingFrom = Number.POSITIVE_INFINITY;
    let links = 0;
    for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
      if (part === '..') {
        resolved.pop();
        if (resolved.length < missingFrom) missingFrom = Number.POSITIVE_INFINITY;
        continue;
      }
      resolved.push(part);
      if (resolved.length > missingFrom) continue;
      const found = look(rootFd, resolved);
      if (found === 'missing') missingFrom = resolved.length;
      if (typeof found !== 'object') continue;
      if (++links > MOST_LINKS) throw new SystemError(ELOOP, 'resolve', path);
      resolved.pop();
      if (found.link.startsWith('/')) resolved.length = 0;
      pending.push(...partsOf(found.link).reverse());
    }
    return `/${resolved.join('/')}`;
  });
}

/**
 * Makes `path` and its missing parents inside the root, with `mode` and `owner` for each new one; links are followed
 * inside the root. Returns the link-free path. @throws SystemError `ENOTDIR` when something else is in the way.
 */
export function mkdirAllInRoot(
  root: Root,
  path: string,
  mode = 0o755,
  owner?: { readonly uid: number; readonly gid: number },
): string {
  return withRoot(root, (rootFd) => {
    const resolved = resolveInRoot(rootFd, path);
    const parts = partsOf(resolved);
    let parent = openInRoot(rootFd, '.', O_PATH | O_DIRECTORY);
    try {
      for (const part of parts) {
        const made = libc.mkdirat(parent, part, mode);
        if (made < 0 && lastErrno() !== 17) throw new SystemError(lastErrno(), 'mkdirat', resolved);
        if (made === 0 && owner !== undefined) {
          check(libc.fchownat(parent, part, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW), 'fchownat', resolved);
        }
        const next = openInRoot(parent, part, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, { noSymlinks: true });
        closeFd(parent);
        parent = next;
      }
    } finally {
      closeFd(parent);
    }
    return resolved;
  });
}

/**
 * The content of a regular file inside the root; undefined when there is none. Pipes and devices are never opened, not
 * even for a moment. @throws SystemError `EFBIG` beyond `limit` bytes, `EINVAL` for what is no regular file.
 */
export function readFileInRoot(root: Root, path: string, limit: number): Buffer | undefined {
  let place: number;
  try {
    place = openInRoot(root, path, O_PATH);
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
  try {
    const stat = fstatSync(place);
    if (!stat.isFile()) throw new SystemError(EINVAL, 'read', `${path}: not a regular file`);
    if (stat.size > limit) throw new SystemError(EFBIG, 'read', path);
    const fd = openFd(`/proc/self/fd/${place}`, O_RDONLY);
    try {
      return readUpTo(fd, limit, path);
    } finally {
      closeFd(fd);
    }
  } finally {
    closeFd(place);
  }
}

function readUpTo(fd: number, limit: number, path: string): Buffer {
  const chunks: Buffer[] = [];
  for (let length = 0; ; ) {
    const chunk = Buffer.alloc(Math.min(65536, limit + 1 - length));
    const got = readSync(fd, chunk);
    if (got === 0) return Buffer.concat(chunks, length);
    length += got;
    if (length > limit) throw new SystemError(EFBIG, 'read', path);
    chunks.push(chunk.subarray(0, got));
  }
}

/** Where a descriptor leads, as the kernel names it (`/path`, `/path (deleted)`, `pipe:[1]`). */
export const pathOfFd = (fd: number): string => readlinkSync(`/proc/self/fd/${fd}`);
