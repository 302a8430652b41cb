import { mkdir, rm, statfs } from 'node:fs/promises';
import { codeOf } from '../../base/errors.ts';
import { makeDisk, mostDisk } from '../../sys/disk/make.ts';
import { ensureMode } from '../directories.ts';
import { noEncryption, ways } from './encryption.ts';
import { lackOfGocryptfs } from './gocryptfs.ts';
import { type Encryption, newVolumeKey, sealVolumeKey } from './key-file.ts';
import { readKey } from './key-source.ts';
import { dataOf, type DiskSource, type DiskUse, partsOf, withWhole, writeDurable } from './parts.ts';

/**
 * Makes the disk of a volume in its directory, with an empty `_data` for it; durable but for the directory's own entry.
 * `options`: of the volume, for an engine that has lost its record. @throws unavailable, also for a key that cannot be read.
 */
export async function makeVolumeDisk(
  directory: string,
  { name, source, secretFolders }: DiskUse,
  options: Readonly<Record<string, string>>,
): Promise<void> {
  const parts = partsOf(directory);
  const passphrase = source.key === undefined ? undefined : await readKey(name, source.key, secretFolders);
  try {
    await mkdir(parts.folder, { mode: 0o700 });
    await mkdir(parts.data, { recursive: true });
    await ensureMode(parts.data, 0o755);
    await writeDurable(parts.options, JSON.stringify(options));
    if (passphrase === undefined) return await makeOpen(directory, source);
    const asked = source.key?.encryption;
    if (asked !== undefined) return await makeEncrypted(directory, source, asked, passphrase);
    try {
      await makeEncrypted(directory, source, 'fscrypt', passphrase);
    } catch (error) {
      if (codeOf(error) !== 'unavailable' || lackOfGocryptfs() !== undefined) throw noEncryption(error);
      await rm(parts.image, { force: true });
      await makeEncrypted(directory, source, 'gocryptfs', passphrase);
    }
  } finally {
    passphrase?.fill(0);
  }
}

async function makeOpen(directory: string, source: DiskSource): Promise<void> {
  await makeDisk(partsOf(directory).image, await limitOf(directory, source), { for: 'the option size' });
  await withWhole(directory, makeData);
}

async function makeEncrypted(
  directory: string,
  source: DiskSource,
  encryption: Encryption,
  passphrase: Buffer,
): Promise<void> {
  const { image, keyFile } = partsOf(directory);
  const way = ways[encryption];
  await makeDisk(image, await limitOf(directory, source), { for: 'the option encrypt', encrypt: way.inKernel });
  const made = newVolumeKey(encryption);
  try {
    const text = await sealVolumeKey(made, passphrase);
    await withWhole(directory, async (whole) => {
      await makeData(whole);
      await way.begin(whole, made.key);
    });
    await writeDurable(keyFile, text);
  } finally {
    made.key.fill(0);
  }
}

async function makeData(whole: string): Promise<void> {
  const data = dataOf(whole);
  await mkdir(data);
  await ensureMode(data, 0o755);
}

async function limitOf(directory: string, { limit }: DiskSource): Promise<number> {
  if (limit !== undefined) return limit;
  const { blocks, bsize } = await statfs(directory);
  return Math.min(blocks * bsize, mostDisk);
}
