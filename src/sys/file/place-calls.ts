/** Many small changes to the engine's own directories in one call, for the syscall worker: file systems may sleep. */
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  fchownSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { systemCode } from '../ffi/errors.ts';

export interface Placement {
  /** Made in this order; parents must exist or come before. */
  readonly directories: readonly PlacedDirectory[];
  /** Written after the directories are there; never through a link. */
  readonly files?: readonly PlacedFile[];
}

export interface PlacedDirectory {
  readonly path: string;
  /** Exactly this mode when it is new, whatever the umask is. */
  readonly mode: number;
  /** One that exists already is an error (`EEXIST`). */
  readonly mustBeNew?: boolean;
  /** Whom it belongs to when it is new: the engine's user otherwise. */
  readonly owner?: Owner;
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface PlacedFile {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
  /** Answered only when it is on disk (fsync). */
  readonly durable?: boolean;
  readonly owner?: Owner | undefined;
}

/** Makes directories and files; gives the open descriptors of those that are still to be synced. @throws system errors. */
export function place({ directories, files = [] }: Placement): number[] {
  for (const directory of directories) placeDirectory(directory);
  const unsynced: number[] = [];
  try {
    for (const file of files) {
      const fd = placeFile(file);
      if (file.durable === true) unsynced.push(fd);
      else closeSync(fd);
    }
    return unsynced;
  } catch (error) {
    for (const fd of unsynced) closeSync(fd);
    throw error;
  }
}

function placeDirectory({ path, mode, mustBeNew, owner }: PlacedDirectory): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (mustBeNew !== true && systemCode(error) === 'EEXIST') return;
    throw error;
  }
  if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
  chmodSync(path, mode);
}

const { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants;

function placeFile({ path, text, mode, owner }: PlacedFile): number {
  const fd = openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode);
  try {
    if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
    writeSync(fd, text);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Larger trees would hold up the other calls. */
const mostEntries = 512;

/**
 * Deletes files and trees of the engine's own (nobody else changes them meanwhile); links are deleted, never followed, and what
 * does not exist is no error. Gives those that were not deleted, whole or in part: too large, or not to be deleted.
 */
export function removeSmallTrees(paths: readonly string[]): string[] {
  const budget = { entries: mostEntries };
  return paths.filter((path) => {
    try {
      return !removeDirectory(Buffer.from(path), budget);
    } catch (error) {
      if (systemCode(error) === 'ENOTDIR') return !removeFile(path);
      // A name inside may have vanished just now.
      return systemCode(error) !== 'ENOENT' || existsSync(path);
    }
  });
}

function removeFile(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    return systemCode(error) === 'ENOENT';
  }
}

const slash = Buffer.from('/');

/** Names are bytes: what a container called its files need not be text. */
function removeDirectory(path: Buffer, budget: { entries: number }): boolean {
  for (const entry of readdirSync(path, { encoding: 'buffer', withFileTypes: true })) {
    if (--budget.entries < 0) return false;
    const child = Buffer.concat([path, slash, entry.name]);
    if (!entry.isDirectory()) unlinkSync(child);
    else if (!removeDirectory(child, budget)) return false;
  }
  rmdirSync(path);
  return true;
}

/** Removes empty directories; gives those that are still there (`EBUSY`, `ENOTEMPTY`). What is gone is no error. */
export function removeDirectories(paths: readonly string[]): string[] {
  return paths.filter((path) => {
    try {
      rmdirSync(path);
      return false;
    } catch (error) {
      const code = systemCode(error);
      return code !== 'ENOENT' && code !== 'ENODEV';
    }
  });
}
