import { mkdir, readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Volume, VolumeSnapshot } from '../spec/contract/storage.ts';
import { syncDirectory } from '../sys/file/durable.ts';
import { settleKey } from './disk/rekey.ts';
import { removeDoomed, snapshotsFolder } from './directories.ts';
import type { Arrivals } from './record.ts';

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/**
 * Makes the renames that a record tells of and that an engine died before, and deletes directories of snapshots that the
 * record does not name any more. `isVolume`: a record says that there is a volume of that name.
 */
export async function finishArrivals(
  directory: string,
  { name, snapshots = [] }: Volume,
  arrivals: Arrivals,
  isVolume: (name: string) => boolean,
): Promise<void> {
  const own = join(directory, name);
  const { volume: from } = arrivals;
  if (from !== undefined && !isVolume(from)) await arrive(join(directory, from), own);
  const folder = join(own, snapshotsFolder);
  for (const [snapshot, staged] of arrivals.snapshots ?? []) {
    if (!(await isThere(join(folder, snapshot))) && (await isThere(join(directory, staged)))) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await arrive(join(directory, staged), join(folder, snapshot));
    }
  }
  const known = new Set(snapshots.map((snapshot) => snapshot.name));
  const found = await readdir(folder).catch((): string[] => []);
  for (const left of found) if (!known.has(left)) await removeDoomed(join(folder, left));
  for (const directory of [own, ...[...known].map((one) => join(folder, one))]) {
    await settleKey(directory, arrivals.keys);
  }
}

async function arrive(from: string, to: string): Promise<void> {
  if ((await isThere(to)) || !(await isThere(from))) return;
  await rename(from, to);
  await syncDirectory(join(to, '..'));
}

/** The snapshots of a volume whose record is lost. */
export async function foundSnapshots(directory: string, name: string): Promise<VolumeSnapshot[]> {
  const folder = join(directory, name, snapshotsFolder);
  const names = await readdir(folder).catch((): string[] => []);
  const found = names.map(async (snapshot): Promise<VolumeSnapshot> => {
    const { birthtimeMs } = await stat(join(folder, snapshot));
    return { name: snapshot, createdNs: BigInt(Math.floor(birthtimeMs)) * 1_000_000n, labels: {} };
  });
  return (await Promise.all(found)).sort((a, b) => Number(a.createdNs - b.createdNs));
}
