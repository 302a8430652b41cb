import { mkdir, readFile, stat, statfs, truncate, open } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../../base/errors.ts';
import { diskSize, growUnmountedDisk, makeDisk, mostDisk } from '../../sys/disk/make.ts';
import { growDisk, thawFileSystem, unlockDirectories, whileFileSystemFrozen } from '../../sys/disk/mounted.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import { ensureDirectory, removeTree } from '../../sys/file/durable.ts';
import { bindMount, mountImage, unmountAndRemove } from '../../sys/mount/mount.ts';
import { isMounted } from '../../sys/mount/table.ts';
import { ensureMode } from '../directories.ts';
import { newVolumeKey, readVolumeKey } from './key-file.ts';
import { type KeySource, readKey } from './key-source.ts';

/** A volume that is a file system of its own in a file. */
export interface DiskSource {
  readonly kind: 'disk';
  readonly device: string;
  /** Bytes that it holds; undefined: as many as the file system below. */
  readonly limit: number | undefined;
  readonly key: KeySource | undefined;
}

/** In a volume's directory: the image, and what belongs to it. One entry, so that one rename exchanges it. */
export const diskFolder = '_disk';

const partsOf = (directory: string) => ({
  folder: join(directory, diskFolder),
  image: join(directory, diskFolder, 'image'),
  keyFile: join(directory, diskFolder, 'key.json'),
  options: join(directory, diskFolder, 'options.json'),
  /** Where the whole file system is mounted, for a moment. */
  whole: join(directory, diskFolder, 'whole'),
  data: join(directory, '_data'),
});

const mountOptions = ['discard', ['errors', 'remount-ro']] as const;

/**
 * Makes the disk of a volume in its directory, with an empty `_data` for it; durable but for the directory's own entry.
 * `options`: of the volume, for an engine that has lost its record. @throws unavailable, also for a key that cannot be read.
 */
export async function makeVolumeDisk(
  directory: string,
  name: string,
  source: DiskSource,
  options: Readonly<Record<string, string>>,
): Promise<void> {
  const parts = partsOf(directory);
  const passphrase = source.key === undefined ? undefined : await readKey(name, source.key);
  await mkdir(parts.folder, { mode: 0o700 });
  await mkdir(parts.data, { recursive: true });
  await ensureMode(parts.data, 0o755);
  const limit = source.limit ?? (await wholeFileSystem(directory));
  await makeDisk(parts.image, limit, {
    for: source.key === undefined ? 'the option size' : 'the option encrypt',
    encrypt: passphrase !== undefined,
  });
  await writeDurable(parts.options, JSON.stringify(options));
  const made = passphrase === undefined ? undefined : await newVolumeKey(passphrase);
  passphrase?.fill(0);
  if (made !== undefined) await writeDurable(parts.keyFile, made.text);
  await withWhole(directory, async (whole) => {
    const data = join(whole, 'data');
    await mkdir(data);
    await ensureMode(data, 0o755);
    if (made !== undefined) await unlock(whole, made.key, data);
  });
}

async function wholeFileSystem(directory: string): Promise<number> {
  const { blocks, bsize } = await statfs(directory);
  return Math.min(blocks * bsize, mostDisk);
}

async function writeDurable(path: string, text: string): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  await file.writeFile(text);
  await file.sync();
}

async function unlock(whole: string, key: Buffer, encrypt?: string): Promise<void> {
  try {
    await unlockDirectories(whole, key, encrypt);
  } catch (error) {
    const code = systemCode(error);
    if (code !== 'EOPNOTSUPP' && code !== 'ENOTSUP' && code !== 'ENOTTY') throw error;
    throw new EngineError(
      'unavailable',
      'encrypted volumes need a kernel with fscrypt for ext4 (CONFIG_FS_ENCRYPTION, Linux 5.4)',
      { cause: error },
    );
  }
}

/** Runs `task` while the whole file system is mounted, wherever else it is. */
async function withWhole<T>(directory: string, task: (whole: string) => Promise<T>): Promise<T> {
  const { image, whole } = partsOf(directory);
  await ensureDirectory(whole);
  await mountImage(image, 'ext4', mountOptions, whole);
  try {
    return await task(whole);
  } finally {
    await unmountAndRemove(whole);
  }
}

/**
 * Mounts what a disk holds at `_data` of the directory. A wrong key changes nothing.
 * @throws unavailable for a key that cannot be read, forbidden for a wrong one.
 */
export async function mountVolumeDisk(directory: string, name: string, source: DiskSource): Promise<void> {
  const { keyFile, data } = partsOf(directory);
  const key = source.key === undefined ? undefined : await openKey(name, source.key, await readFile(keyFile, 'utf8'));
  await withWhole(directory, async (whole) => {
    if (key !== undefined) await unlock(whole, key);
    await bindMount(join(whole, 'data'), data);
  });
}

async function openKey(name: string, source: KeySource, text: string): Promise<Buffer> {
  const passphrase = await readKey(name, source);
  const key = await readVolumeKey(text, passphrase);
  passphrase.fill(0);
  if (key !== undefined) return key;
  throw new EngineError('forbidden', `the key of the volume ${name} from ${source.kind} ${source.value} is wrong`);
}

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

/** Runs `task` while nothing is written to the disk, mounted or not: it may be copied then. */
export const whileDiskStill = <T>(directory: string, task: () => Promise<T>): Promise<T> =>
  withWhole(directory, (whole) => whileFileSystemFrozen(whole, task));

/** At boot: what an engine left that died while it had a disk mounted for a moment. */
export async function settleDisk(directory: string): Promise<void> {
  const { whole, data } = partsOf(directory);
  for (const path of [whole, data]) if (await isMounted(path)) await thawFileSystem(path);
  if (await isMounted(whole)) await unmountAndRemove(whole);
  else await removeTree(whole);
}

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
