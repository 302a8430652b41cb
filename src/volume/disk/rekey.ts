/** Another key for a disk: made beside the one that is there, then, when that is decided, put in its place. */
import { readFile, rm } from 'node:fs/promises';
import { commitFile, syncDirectory } from '../../sys/file/durable.ts';
import { changeOf, sealVolumeKey } from './key-file.ts';
import { type KeySource, readKey } from './key-source.ts';
import { openKey } from './mount.ts';
import { type DiskUse, partsOf, writeDurable } from './parts.ts';

/**
 * Writes, durably, a file that gives the disk's own key to who has the new key. `change`: what the record will say when it
 * counts. @throws unavailable, forbidden.
 */
export async function prepareKey(
  directory: string,
  change: string,
  keys: Pick<DiskUse, 'name' | 'secretFolders'> & { readonly before: KeySource; readonly after: KeySource },
): Promise<void> {
  const { folder, keyFile, nextKeyFile } = partsOf(directory);
  const own = await openKey(keys, keys.before, await readFile(keyFile, 'utf8'));
  const passphrase = await readKey(keys.name, keys.after, keys.secretFolders);
  try {
    await rm(nextKeyFile, { force: true });
    await writeDurable(nextKeyFile, await sealVolumeKey(own, passphrase, change));
    await syncDirectory(folder);
  } finally {
    for (const secret of [own.key, passphrase]) secret.fill(0);
  }
}

/** Puts the prepared key in the place of the other, in one step. */
export const placeKey = (directory: string): Promise<void> =>
  commitFile(partsOf(directory).nextKeyFile, partsOf(directory).keyFile);

/** At boot: a key that was prepared counts when the record tells of the same change. */
export async function settleKey(directory: string, change: string | undefined): Promise<void> {
  const { nextKeyFile } = partsOf(directory);
  const text = await readFile(nextKeyFile, 'utf8').catch(() => undefined);
  if (text === undefined) return;
  if (change !== undefined && changeOf(text) === change) await placeKey(directory);
  else await rm(nextKeyFile, { force: true });
}

/** Replaces what a disk keeps of the volume's options, for an engine that has lost its record. */
export async function keepOptions(directory: string, options: Readonly<Record<string, string>>): Promise<void> {
  const { options: path } = partsOf(directory);
  await rm(`${path}.next`, { force: true });
  await writeDurable(`${path}.next`, JSON.stringify(options));
  await commitFile(`${path}.next`, path);
}
