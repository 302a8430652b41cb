/** Deleting whole trees by descriptors. For workers: a large one takes seconds. */
import { closeSync, constants, fstatSync, openSync, readdirSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { SystemError, systemCode } from '../ffi/errors.ts';
import { nativeName, openDirectoryAt, openParent, removeDirectoryAt, unlinkAt } from './at.ts';

const EXDEV = 18;

/** What is left to do of one directory on the way down. */
interface Level {
  /** Its name in the directory above. */
  readonly name: Buffer;
  readonly directories: Buffer[];
}

/**
 * Deletes a file, or a directory with everything in it, however deep, whatever bytes its names are. Links are deleted,
 * never followed; mounts are not entered. Nobody else may change it meanwhile. What does not exist is no error.
 */
export function removeTreeSync(path: string): void {
  let fd: number;
  try {
    fd = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    throw error;
  }
  try {
    const name = nativeName(Buffer.from(basename(path)));
    if (removeEntry(fd, name)) return;
    fd = descend(fd, name);
    const levels: Level[] = [{ name, directories: emptyDirectory(fd) }];
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const next = level.directories.pop();
      if (next !== undefined) {
        fd = descend(fd, next);
        levels.push({ name: next, directories: emptyDirectory(fd) });
        continue;
      }
      levels.pop();
      const parent = openParent(fd);
      closeSync(fd);
      fd = parent;
      removeDirectoryAt(fd, level.name);
    }
  } finally {
    closeSync(fd);
  }
}

/** Replaces the descriptor of a directory by that of one in it: however deep the tree, one is open. */
function descend(fd: number, name: Buffer): number {
  const child = openDirectoryAt(fd, name);
  if (fstatSync(child).dev !== fstatSync(fd).dev) {
    closeSync(child);
    throw new SystemError(EXDEV, 'remove', name.toString('utf8', 0, name.length - 1));
  }
  closeSync(fd);
  return child;
}

/** True when that was all: it was no directory. */
function removeEntry(fd: number, name: Buffer): boolean {
  try {
    unlinkAt(fd, name);
    return true;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT') return true;
    // POSIX says EPERM for a directory, Linux EISDIR.
    if (code === 'EISDIR' || code === 'EPERM') return false;
    throw error;
  }
}

/** Deletes the files in a directory; gives the names of the directories. */
function emptyDirectory(fd: number): Buffer[] {
  const directories: Buffer[] = [];
  for (const entry of readdirSync(`/proc/self/fd/${fd}`, { encoding: 'buffer', withFileTypes: true })) {
    const name = nativeName(entry.name);
    if (entry.isDirectory() || !removeEntry(fd, name)) directories.push(name);
  }
  return directories;
}
