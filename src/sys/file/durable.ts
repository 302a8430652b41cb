import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Waits until a directory's entries are on disk: what was renamed into it is there after a power failure. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Moves a synced temporary file to its final name, durably. Both are on one file system. */
export async function commitFile(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncDirectory(dirname(to));
}

/** Makes a directory of the engine's own with exactly this mode, whatever the umask is; it may exist already. */
export async function ensureDirectory(path: string, mode = 0o700): Promise<void> {
  await mkdir(path, { recursive: true, mode });
  const directory = await open(path, 'r');
  try {
    await directory.chmod(mode);
  } finally {
    await directory.close();
  }
}

/** Deletes a file or a whole tree; what does not exist is no error. Links are deleted, never followed. */
export const removeTree = (path: string): Promise<void> => rm(path, { recursive: true, force: true });
