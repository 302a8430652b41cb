import { readFile } from 'node:fs/promises';
import { EngineError } from '../../base/errors.ts';
import { thawFileSystem } from '../../sys/disk/mounted.ts';
import { removeTree } from '../../sys/file/durable.ts';
import { bindMount, unmount, unmountAndRemove } from '../../sys/mount/mount.ts';
import { isMounted, readMountTable } from '../../sys/mount/table.ts';
import { renewDirectory } from '../directories.ts';
import { ways } from './encryption.ts';
import { endEncrypted, isDead } from './gocryptfs.ts';
import { readVolumeKey, type VolumeKey } from './key-file.ts';
import { readKey } from './key-source.ts';
import { dataOf, type DiskKey, type DiskUse, partsOf, withWhole } from './parts.ts';

/**
 * Mounts what a disk holds at `_data` of the directory; `unmountVolumeDisk` undoes that. A wrong key changes nothing.
 * @throws unavailable for a key that cannot be read, forbidden for a wrong one.
 */
export async function mountVolumeDisk(directory: string, use: DiskUse): Promise<void> {
  const { keyFile, data } = partsOf(directory);
  const { key: source } = use.source;
  if (source === undefined) return withWhole(directory, (whole) => bindMount(dataOf(whole), data));
  const { key, encryption } = await openKey(use, source, await readFile(keyFile, 'utf8'));
  try {
    await ways[encryption].mount(directory, key);
  } finally {
    key.fill(0);
  }
}

/** Lazily: who has files of it open goes on with them. What decrypts for it ends after the last of them. */
export async function unmountVolumeDisk(directory: string): Promise<void> {
  const { data, encrypted } = partsOf(directory);
  if (await unmount(data, { lazy: true })) await renewDirectory(data);
  if (await isMounted(encrypted)) await unmountAndRemove(encrypted);
}

/** The volume's own key, by the user's. @throws unavailable, forbidden. */
export async function openKey(
  { name, secretFolders }: Pick<DiskUse, 'name' | 'secretFolders'>,
  source: Pick<DiskKey, 'kind' | 'value'>,
  text: string,
): Promise<VolumeKey> {
  const passphrase = await readKey(name, source, secretFolders);
  const found = await readVolumeKey(text, passphrase).finally(() => passphrase.fill(0));
  if (found !== undefined) return found;
  throw new EngineError('forbidden', `the key of the volume ${name} from ${source.kind} ${source.value} is wrong`);
}

/** True when what decrypts a volume for containers has ended, killed by somebody: whatever they ask of the volume fails. */
export const hasLostDisk = (directory: string): Promise<boolean> => isDead(partsOf(directory).data);

/**
 * At boot: what an engine left that died while it had a disk mounted for a moment, or was about to mount it. What containers
 * run with stays.
 */
export async function settleDisk(directory: string): Promise<void> {
  const { whole, encrypted, data } = partsOf(directory);
  const mounts = new Map((await readMountTable()).map(({ target, type }) => [target, type]));
  // What a program shows of a frozen file system is looked at after that is thawed.
  for (const path of [encrypted, whole]) if (mounts.has(path)) await thawFileSystem(path);
  const isServed = mounts.get(data)?.startsWith('fuse') === true;
  if (mounts.has(data) && !isServed) await thawFileSystem(data);
  if (mounts.has(whole)) await unmountAndRemove(whole);
  else await removeTree(whole);
  if (isServed && (await isDead(data))) await unmountVolumeDisk(directory);
  else if (!isServed && mounts.has(encrypted)) {
    await endEncrypted(dataOf(encrypted));
    await unmountVolumeDisk(directory);
  } else if (!mounts.has(encrypted)) await removeTree(encrypted);
}
