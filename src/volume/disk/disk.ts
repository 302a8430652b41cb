import { readFile, stat, truncate } from 'node:fs/promises';
import { diskSize, growUnmountedDisk } from '../../sys/disk/make.ts';
import { growDisk, whileFileSystemFrozen } from '../../sys/disk/mounted.ts';
import { removeTree } from '../../sys/file/durable.ts';
import { type Encryption, encryptionOf } from './key-file.ts';
import { partsOf, withWhole } from './parts.ts';

export const hasDisk = (directory: string): Promise<boolean> =>
  stat(partsOf(directory).image).then(
    () => true,
    () => false,
  );

/** The options with which a disk was made; none when they cannot be read. */
export async function optionsOfDisk(directory: string): Promise<Readonly<Record<string, string>>> {
  try {
    return JSON.parse(await readFile(partsOf(directory).options, 'utf8')) as Readonly<Record<string, string>>;
  } catch {
    return {};
  }
}

/** Bytes that a disk takes of the file system below. */
export const takenByDisk = async (directory: string): Promise<number> =>
  (await stat(partsOf(directory).image)).blocks * 512;

/** What an encrypted disk is encrypted with; undefined when the file that says so is gone or damaged. */
export const encryptionOfDisk = (directory: string): Promise<Encryption | undefined> =>
  readFile(partsOf(directory).keyFile, 'utf8')
    .then(encryptionOf, () => undefined)
    .catch(() => undefined);

/** Takes out of a copy what was only there because the disk was mounted meanwhile. */
export async function trimStagedDisk(directory: string): Promise<void> {
  const { whole, encrypted } = partsOf(directory);
  for (const path of [whole, encrypted]) await removeTree(path);
}

/** Runs `task` while nothing is written to the disk, mounted or not: it may be copied then. */
export const whileDiskStill = <T>(directory: string, task: () => Promise<T>): Promise<T> =>
  withWhole(directory, (whole) => whileFileSystemFrozen(whole, task));

/**
 * Lets a disk hold `limit` bytes, mounted or not; never less than before. @throws SystemError `EPERM` where the engine lacks
 * CAP_SYS_RESOURCE.
 */
export async function growVolumeDisk(directory: string, limit: number): Promise<void> {
  const { image } = partsOf(directory);
  const size = diskSize(limit);
  const before = (await stat(image)).size;
  if (size > before) await truncate(image, size);
  try {
    await withWhole(directory, (whole) => growDisk(whole, image, Math.max(size, before)));
  } catch (error) {
    // The file system has not changed: it ends where the file did.
    if (size > before) await truncate(image, before);
    throw error;
  }
}

/** The same for a disk in a stage, which is lost when that fails. */
export async function growStagedDisk(directory: string, limit: number): Promise<void> {
  const { image } = partsOf(directory);
  if ((await stat(image)).size < diskSize(limit)) await growUnmountedDisk(image, limit);
}
