/** File systems of their own in sparse files: what is free in one is what its users may still write, and `df` says so. */
import { open } from 'node:fs/promises';
import { EngineError } from '../../base/errors.ts';
import { run } from '../process/run.ts';
import { findMke2fs, findResize2fs } from './mke2fs.ts';

const MiB = 1 << 20;
const bytesPerInode = 16 << 10;
const inodeSize = 256;
/** ext4 has bitmaps and descriptors in each group of so many bytes, some 16 KiB of them. */
const groupSize = 128 * MiB;
const groupOverhead = 16 << 10;
/** The least journal that ext4 has; smaller file systems do without one. */
const journalSize = 4 * MiB;
const leastWithJournal = 8 * MiB;

/** Limits that a disk can have, in bytes. */
export const leastDisk = MiB;
export const mostDisk = 8 * 2 ** 40;

/** Bytes of an image whose file system holds `limit` bytes: what that needs for itself comes on top. */
export function diskSize(limit: number): number {
  const journal = journalOf(limit);
  const groups = Math.ceil((limit + journal) / groupSize) + 1;
  return limit + journal + inodesOf(limit) * inodeSize + groups * groupOverhead + Math.ceil(limit / 1000) + MiB / 4;
}

const inodesOf = (limit: number): number => Math.max(256, Math.ceil(limit / bytesPerInode));
const journalOf = (limit: number): number => (limit < leastWithJournal ? 0 : journalSize);

export interface DiskOptions {
  /** What asks for it, for messages. */
  readonly for: string;
  /** Directories of it may be encrypted by the kernel (fscrypt). */
  readonly encrypt?: boolean;
}

/**
 * Makes the image of an empty ext4 file system that holds `limit` bytes, in a sparse file, on disk when it resolves.
 * @throws unavailable.
 */
export async function makeDisk(path: string, limit: number, options: DiskOptions): Promise<void> {
  const maker = findMke2fs();
  if (maker === undefined) {
    throw new EngineError('unavailable', `${options.for} needs mke2fs (package e2fsprogs) on this host`);
  }
  const image = await open(path, 'wx', 0o600);
  try {
    await image.truncate(diskSize(limit));
    const failure = await runProgram(maker, ['mke2fs', ...mkfsOptions(limit, options.encrypt === true), path]);
    if (failure !== undefined) {
      throw new EngineError('internal', `mke2fs cannot make a file system of ${limit} bytes: ${failure}`);
    }
    await image.sync();
  } finally {
    await image.close();
  }
}

/**
 * Lets a disk that is not mounted hold `limit` bytes, more than before; on disk when it resolves. A disk that this was broken off for
 * is damaged: it is for copies that nobody has yet. @throws unavailable, internal.
 */
export async function growUnmountedDisk(path: string, limit: number): Promise<void> {
  const program = findResize2fs();
  if (program === undefined) throw new EngineError('unavailable', 'resize2fs (package e2fsprogs) is not on this host');
  const image = await open(path, 'r+');
  try {
    await image.truncate(Math.max(diskSize(limit), (await image.stat()).size));
    const failure = await runProgram(program, ['resize2fs', '-f', path]);
    if (failure !== undefined) throw new EngineError('internal', `resize2fs cannot make it larger: ${failure}`);
    await image.sync();
  } finally {
    await image.close();
  }
}

/** What it said when it failed. */
async function runProgram(path: string, argv: readonly string[]): Promise<string | undefined> {
  const env = ['PATH=/usr/sbin:/sbin:/usr/bin:/bin', 'LC_ALL=C'];
  const { code, stderr } = await run({ path, argv, env, timeoutMs: 60_000, outputLimit: 4096 });
  return code === 0 ? undefined : stderr.toString().trim();
}

function mkfsOptions(limit: number, encrypt: boolean): string[] {
  const journal = journalOf(limit);
  const inodes = String(inodesOf(limit));
  const features = ['^resize_inode', ...(journal === 0 ? ['^has_journal'] : []), ...(encrypt ? ['encrypt'] : [])];
  const base = ['-q', '-F', '-t', 'ext4', '-m', '0', '-b', '4096', '-I', String(inodeSize), '-N', inodes];
  const lazy = ['-E', 'lazy_itable_init=1,lazy_journal_init=1,nodiscard', '-O', features.join()];
  return [...base, ...lazy, ...(journal === 0 ? [] : ['-J', `size=${journal / MiB}`])];
}
