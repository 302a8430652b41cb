import { mkdir, readdir, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { KeyedMutex } from '../base/async.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { StateJournal } from '../spec/contract/state.ts';
import type { Volume } from '../spec/contract/storage.ts';
import { ensureMode, removeDoomed } from './directories.ts';
import { VolumeMounts } from './_mounts.ts';
import { hasDisk, optionsOfDisk } from './disk/disk.ts';
import { settleDisk } from './disk/mount.ts';
import { VolumeHolds } from './holds.ts';
import { LocalVolumes, type OwnedVolumes } from './local.ts';
import { finishArrivals, foundSnapshots } from './_arrivals.ts';
import { arrivalsOf, fromRecord, volumeKind } from './record.ts';
import type { VolumeState } from './state.ts';

export interface VolumesOptions {
  /** Holds a directory for each volume. */
  readonly directory: string;
  readonly journal: StateJournal;
  readonly log: Logger;
  readonly clock?: Clock;
  /** Where secrets are, instead of the usual folders. */
  readonly secretFolders?: readonly string[];
}

/** Where secrets are looked for, in this order, unless the engine is told otherwise. */
const usualSecretFolders = ['/run/secrets', '/etc/gantry/secrets'];

/** Opens the named volumes. */
export const openVolumes = async (options: VolumesOptions): Promise<OwnedVolumes> =>
  new LocalVolumes(await openVolumeState(options));

/**
 * What the parts of this room work on. A directory without a record becomes a volume again (after the state database was lost, the
 * data must not be); what was being removed when an engine died is removed now.
 */
async function openVolumeState(options: VolumesOptions): Promise<VolumeState> {
  const { directory, journal, log, clock = systemClock, secretFolders = usualSecretFolders } = options;
  await mkdir(directory, { recursive: true });
  await ensureMode(directory, 0o700);
  const volumes = new Map<string, Volume>();
  const records = await journal.load(volumeKind);
  for (const { id, value } of records) {
    const volume = fromRecord(id, join(directory, id, '_data'), value);
    if (volume === undefined) log.error('a volume record is not readable', { volume: id });
    else volumes.set(id, volume);
  }
  for (const { id, value } of records) {
    const volume = volumes.get(id);
    if (volume !== undefined) await finishArrivals(directory, volume, arrivalsOf(value), (name) => volumes.has(name));
  }
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (name.startsWith('.')) await removeDoomed(path);
    else if (!volumes.has(name)) {
      const data = await stat(join(path, '_data')).catch(() => undefined);
      if (data?.isDirectory() !== true) {
        // An engine died between the two directories of a new volume: an empty one goes, anything else is not ours.
        await rmdir(path).catch(() => undefined);
        continue;
      }
      log.warn('took over a volume that has no record', { volume: name });
      const createdNs = BigInt(Math.floor(data.birthtimeMs)) * 1_000_000n;
      const mountpoint = join(path, '_data');
      const snapshots = await foundSnapshots(directory, name);
      const options = (await hasDisk(path)) ? await optionsOfDisk(path) : {};
      const found = { name, driver: 'local', mountpoint, labels: {}, options, createdNs, anonymous: false };
      volumes.set(name, snapshots.length === 0 ? found : { ...found, snapshots });
    }
  }
  for (const name of volumes.keys()) {
    const path = join(directory, name);
    if (await hasDisk(path)) await settleDisk(path);
  }
  return {
    directory,
    journal,
    log,
    clock,
    secretFolders,
    volumes,
    users: new Map(),
    mounts: new VolumeMounts(secretFolders),
    holds: new VolumeHolds(),
    order: new KeyedMutex(),
  };
}
