import { open } from 'node:fs/promises';
import { EngineError } from '../../base/errors.ts';
import { place } from '../../sys/file/place.ts';
import { mountImage, unmountAndRemove } from '../../sys/mount/mount.ts';
import { run } from '../../sys/process/run.ts';
import { findMke2fs } from '../mke2fs.ts';
import type { SnapshotPaths } from './_directory.ts';

/** Where a container's changes go. */
export interface Writable {
  /** What the container wrote, and overlayfs's own; there between `open` and `close`. */
  readonly upper: string;
  readonly work: string;
  readonly limited: boolean;
  open(): Promise<void>;
  close(): Promise<void>;
}

/** Directories beside the list of layers: as large as the disk. */
export const unlimitedWritable = ({ upper, work }: SnapshotPaths): Writable => ({
  upper,
  work,
  limited: false,
  open: () => Promise.resolve(),
  close: () => Promise.resolve(),
});

/**
 * A file system of its own in a sparse file, mounted at `mountpoint` while it is needed: what is free in it is what the
 * container may still write, and `df` says so.
 */
export function limitedWritable({ disk }: SnapshotPaths, mountpoint: string): Writable {
  const [upper, work] = [`${mountpoint}/upper`, `${mountpoint}/work`];
  return {
    upper,
    work,
    limited: true,
    async open() {
      await place({ directories: [{ path: mountpoint, mode: 0o700 }] });
      await mountImage(disk, 'ext4', ['discard', ['errors', 'remount-ro']], mountpoint);
      await place({
        directories: [
          // The root of what the container sees has the mode of this directory.
          { path: upper, mode: 0o755 },
          { path: work, mode: 0o700 },
        ],
      });
    },
    close: () => unmountAndRemove(mountpoint),
  };
}

const MiB = 1 << 20;
const bytesPerInode = 16 << 10;
const inodeSize = 256;
/** ext4 has bitmaps and descriptors in each group of so many bytes, some 16 KiB of them. */
const groupSize = 128 * MiB;
const groupOverhead = 16 << 10;
/** The least journal that ext4 has; smaller file systems do without one. */
const journalSize = 4 * MiB;
const leastWithJournal = 8 * MiB;

/** Makes the image of an empty file system that holds `limit` bytes, on disk when it resolves. @throws unavailable. */
export async function makeDisk(path: string, limit: number): Promise<void> {
  const maker = findMke2fs();
  if (maker === undefined) {
    throw new EngineError('unavailable', '--storage-opt size needs mke2fs (package e2fsprogs) on this host');
  }
  const inodes = Math.max(256, Math.ceil(limit / bytesPerInode));
  const journal = limit < leastWithJournal ? 0 : journalSize;
  const groups = Math.ceil((limit + journal) / groupSize) + 1;
  // What the file system needs for itself comes on top of what was asked for.
  const size = limit + journal + inodes * inodeSize + groups * groupOverhead + Math.ceil(limit / 1000) + MiB / 4;
  const image = await open(path, 'wx', 0o600);
  try {
    await image.truncate(size);
    const { code, stderr } = await run({
      path: maker,
      argv: ['mke2fs', ...mkfsOptions(journal, inodes), path],
      env: ['PATH=/usr/sbin:/sbin:/usr/bin:/bin', 'LC_ALL=C'],
      timeoutMs: 60_000,
      outputLimit: 4096,
    });
    if (code !== 0) {
      throw new EngineError(
        'internal',
        `mke2fs cannot make a file system of ${limit} bytes: ${stderr.toString().trim()}`,
      );
    }
    await image.sync();
  } finally {
    await image.close();
  }
}

const mkfsOptions = (journal: number, inodes: number): string[] => {
  const base = ['-q', '-F', '-t', 'ext4', '-m', '0', '-b', '4096', '-I', String(inodeSize), '-N', String(inodes)];
  const lazy = ['-E', 'lazy_itable_init=1,lazy_journal_init=1,nodiscard'];
  if (journal === 0) return [...base, ...lazy, '-O', '^resize_inode,^has_journal'];
  return [...base, ...lazy, '-O', '^resize_inode', '-J', `size=${journal / MiB}`];
};
