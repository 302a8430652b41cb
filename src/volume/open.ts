import { mkdir, readdir, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { KeyedMutex } from '../base/async.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { StateJournal } from '../spec/contract/state.ts';
import type { Volume } from '../spec/contract/storage.ts';
import { ensureMode, removeDoomed } from './_directories.ts';
import { VolumeMounts } from './_mounts.ts';
import { VolumeHolds } from './holds.ts';
import { LocalVolumes, type OwnedVolumes } from './local.ts';
import { fromRecord, volumeKind } from './record.ts';
import type { VolumeState } from './state.ts';

export interface VolumesOptions {
  /** Holds a directory for each volume. */
  readonly directory: string;
  readonly journal: StateJournal;
  readonly log: Logger;
  readonly clock?: Clock;
}

/** Opens the named volumes. */
export const openVolumes = async (options: VolumesOptions): Promise<OwnedVolumes> =>
  new LocalVolumes(await openVolumeState(options));

/**
 * What the parts of this room work on. A directory without a record becomes a volume again (after the state database was lost, the
 * data must not be); what was being removed when an engine died is removed now.
 */
async function openVolumeState(options: VolumesOptions): Promise<VolumeState> {
  const { directory, journal, log, clock = systemClock } = options;
  await mkdir(directory, { recursive: true });
  await ensureMode(directory, 0o700);
  const volumes = new Map<string, Volume>();
  for (const { id, value } of await journal.load(volumeKind)) {
    const volume = fromRecord(id, join(directory, id, '_data'), value);
    if (volume === undefined) log.error('a volume record is not readable', { volume: id });
    else volumes.set(id, volume);
  }
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (name.startsWith('.')) await removeDoomed(path);
    else if (!volumes.has(name)) {
      const found = await stat(join(path, '_data')).catch(() => undefined);
      if (found?.isDirectory() !== true) {
        // An engine died between the two directories of a new volume: an empty one goes, anything else is not ours.
        await rmdir(path).catch(() => undefined);
        continue;
      }
      log.warn('took over a volume that has no record', { volume: name });
      const createdNs = BigInt(Math.floor(found.birthtimeMs)) * 1_000_000n;
      const mountpoint = join(path, '_data');
      volumes.set(name, { name, driver: 'local', mountpoint, labels: {}, options: {}, createdNs, anonymous: false });
    }
  }
  return {
    directory,
    journal,
    log,
    clock,
    volumes,
    users: new Map(),
    mounts: new VolumeMounts(),
    holds: new VolumeHolds(),
    order: new KeyedMutex(),
  };
}
