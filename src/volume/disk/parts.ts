import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureDirectory } from '../../sys/file/durable.ts';
import { mountImage, unmountAndRemove } from '../../sys/mount/mount.ts';
import type { Encryption } from './key-file.ts';
import type { KeySource } from './key-source.ts';

/** A volume that is a file system of its own in a file. */
export interface DiskSource {
  readonly kind: 'disk';
  readonly device: string;
  /** Bytes that it holds; undefined: as many as the file system below. */
  readonly limit: number | undefined;
  readonly key: DiskKey | undefined;
}

export interface DiskKey extends KeySource {
  /** What the volume is to be encrypted with when it is made; undefined: what the host can do best. */
  readonly encryption: Encryption | undefined;
}

/** What a disk is made or opened for. */
export interface DiskUse {
  /** Of the volume, for messages. */
  readonly name: string;
  readonly source: DiskSource;
  /** Folders in which secrets are looked for, in this order. */
  readonly secretFolders: readonly string[];
}

/** In a volume's directory: the image, and what belongs to it. One entry, so that one rename exchanges it. */
export const diskFolder = '_disk';

export const partsOf = (directory: string) => ({
  folder: join(directory, diskFolder),
  image: join(directory, diskFolder, 'image'),
  keyFile: join(directory, diskFolder, 'key.json'),
  /** What is about to take the place of the key's file. */
  nextKeyFile: join(directory, diskFolder, 'key.next.json'),
  options: join(directory, diskFolder, 'options.json'),
  /** Where the whole file system is mounted, for a moment. */
  whole: join(directory, diskFolder, 'whole'),
  /** The same, for as long as a program decrypts what it holds. */
  encrypted: join(directory, diskFolder, 'encrypted'),
  data: join(directory, '_data'),
});

/** What of the whole file system the volume shows. */
export const dataOf = (whole: string): string => join(whole, 'data');

const mountOptions = ['discard', ['errors', 'remount-ro']] as const;

/** Mounts the whole file system at a directory, which is made; `unmountAndRemove` undoes that. */
export async function mountWhole(directory: string, at: string): Promise<void> {
  await ensureDirectory(at);
  await mountImage(partsOf(directory).image, 'ext4', mountOptions, at);
}

/** Runs `task` while the whole file system is mounted, wherever else it is. */
export async function withWhole<T>(directory: string, task: (whole: string) => Promise<T>): Promise<T> {
  const { whole } = partsOf(directory);
  await mountWhole(directory, whole);
  try {
    return await task(whole);
  } finally {
    await unmountAndRemove(whole);
  }
}

/** Writes a new file; on disk when it resolves, but for its name. */
export async function writeDurable(path: string, text: string): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  await file.writeFile(text);
  await file.sync();
}
