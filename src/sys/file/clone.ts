/** Copying what is in a file, with the file system's help where it has any. For workers: may sleep. */
import { ftruncateSync } from 'node:fs';
import { check, SystemError, systemCode } from '../ffi/errors.ts';
import { lastErrno, openLibrary } from '../ffi/library.ts';
import type { NodeStat } from './entries.ts';

const libc = openLibrary(null, {
  ioctl: { arguments: ['i32', 'u64', 'i64'], return: 'i32' },
  copy_file_range: { arguments: ['i32', 'pointer', 'i32', 'pointer', 'u64', 'u32'], return: 'i64' },
  lseek: { arguments: ['i32', 'i64', 'i32'], return: 'i64' },
  pread: { arguments: ['i32', 'pointer', 'u64', 'i64'], return: 'i64' },
  pwrite: { arguments: ['i32', 'pointer', 'u64', 'i64'], return: 'i64' },
  sync_file_range: { arguments: ['i32', 'i64', 'i64', 'u32'], return: 'i32' },
  utimensat: { arguments: ['i32', 'pointer', 'pointer', 'i32'], return: 'i32' },
  futimens: { arguments: ['i32', 'pointer'], return: 'i32' },
});

/** ioctl_ficlone(2). */
const FICLONE = 0x40049409n;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const AT_SYMLINK_NOFOLLOW = 0x100;
const EINTR = 4;
const ENXIO = 6;
/** One call takes no longer than some tens of milliseconds. */
const mostAtOnce = 32 << 20;
const bufferSize = 1 << 20;
const SYNC_FILE_RANGE_WRITE = 2;
/** Of what is smaller than this the kernel begins the writing when it likes. */
const leastBegun = 4 << 20;

/** A part of a file, in bytes. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/**
 * Where a file of `size` bytes holds data, in order; the rest are holes. Where the file system does not tell, all of it.
 * Moves the file's position.
 */
export function* dataExtents(fd: number, size: number): Generator<Extent, void> {
  for (let at = 0; at < size; ) {
    const from = Number(libc.lseek(fd, BigInt(at), SEEK_DATA));
    if (from < 0) {
      if (lastErrno() === ENXIO) return;
      return yield { offset: at, length: size - at };
    }
    if (from >= size) return;
    const end = Number(libc.lseek(fd, BigInt(from), SEEK_HOLE));
    const to = end < 0 ? size : Math.min(end, size);
    yield { offset: from, length: to - from };
    at = to;
  }
}

const unsupported: ReadonlySet<string | undefined> = new Set([
  'EOPNOTSUPP',
  'ENOTSUP',
  'EXDEV',
  'EINVAL',
  'ENOTTY',
  'ENOSYS',
  'EPERM',
]);

/** Copies contents of files, and remembers what the two file systems can do. */
export class ContentCopier {
  readonly #wanted: () => void;
  #shares = true;
  #ranges = true;
  #buffer: Buffer | undefined;

  /** `wanted` is called now and then, and throws to give up. */
  constructor(wanted: () => void) {
    this.#wanted = wanted;
  }

  /** Whether the last copies shared the blocks of their sources. */
  get shares(): boolean {
    return this.#shares;
  }

  /**
   * Gives the empty file `to` what is in `from`: the same blocks where the file system can share them, else copies of
   * them; holes stay holes. @throws SystemError.
   */
  copy(from: number, to: number, { size, blocks }: Pick<NodeStat, 'size' | 'blocks'>): void {
    if (size === 0 || this.#share(from, to)) return;
    const isSparse = blocks * 512 < size;
    const extents = isSparse ? dataExtents(from, size) : [{ offset: 0, length: size }];
    for (const extent of extents) this.#copyExtent(from, to, extent);
    if (isSparse) ftruncateSync(to, size);
  }

  #share(from: number, to: number): boolean {
    if (!this.#shares) return false;
    if (libc.ioctl(to, FICLONE, BigInt(from)) === 0) return true;
    const error = new SystemError(lastErrno(), 'FICLONE');
    if (!unsupported.has(error.code)) throw error;
    // Some files cannot be shared on file systems that share others: only what all files have in common counts.
    if (error.code !== 'EINVAL' && error.code !== 'EPERM') this.#shares = false;
    return false;
  }

  #copyExtent(from: number, to: number, { offset, length }: Extent): void {
    for (let done = 0; done < length; ) {
      this.#wanted();
      const got = this.#copyPart(from, to, offset + done, Math.min(length - done, mostAtOnce));
      if (got === 0) return;
      // Written while the next part is copied: whoever wants it on the disk waits half as long. No error counts here.
      if (got >= leastBegun) libc.sync_file_range(to, BigInt(offset + done), BigInt(got), SYNC_FILE_RANGE_WRITE);
      done += got;
    }
  }

  #copyPart(from: number, to: number, offset: number, length: number): number {
    if (!this.#ranges) return this.#copyByHand(from, to, offset, length);
    const [source, target] = [int64(offset), int64(offset)];
    const got = Number(libc.copy_file_range(from, source, to, target, BigInt(length), 0));
    if (got >= 0) return got;
    const error = new SystemError(lastErrno(), 'copy_file_range');
    if (error.errno === EINTR) return this.#copyPart(from, to, offset, length);
    if (!unsupported.has(systemCode(error))) throw error;
    this.#ranges = false;
    return this.#copyByHand(from, to, offset, length);
  }

  #copyByHand(from: number, to: number, offset: number, length: number): number {
    this.#buffer ??= Buffer.allocUnsafeSlow(bufferSize);
    const part = this.#buffer.subarray(0, Math.min(length, bufferSize));
    const got = check(libc.pread(from, part, BigInt(part.length), BigInt(offset)), 'pread');
    for (let done = 0; done < got; ) {
      const rest = part.subarray(done, got);
      done += check(libc.pwrite(to, rest, BigInt(rest.length), BigInt(offset + done)), 'pwrite');
    }
    return got;
  }
}

function int64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes;
}

const times = Buffer.alloc(32);

function timesOf({ atime, atimeNsec, mtime, mtimeNsec }: NodeStat): Buffer {
  times.writeBigInt64LE(BigInt(atime), 0);
  times.writeBigInt64LE(BigInt(atimeNsec), 8);
  times.writeBigInt64LE(BigInt(mtime), 16);
  times.writeBigInt64LE(BigInt(mtimeNsec), 24);
  return times;
}

/** Gives an open file the times of access and modification of another one. @throws SystemError. */
export function copyTimes(fd: number, stat: NodeStat): void {
  check(libc.futimens(fd, timesOf(stat)), 'futimens');
}

/** The same for a name in a directory (`native`), of a link itself. @throws SystemError. */
export function copyTimesAt(directory: number, name: Buffer, stat: NodeStat): void {
  check(libc.utimensat(directory, name, timesOf(stat), AT_SYMLINK_NOFOLLOW), 'utimensat');
}
