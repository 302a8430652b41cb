import { formatTime, zeroTime } from '../base/clock.ts';
import { conflict, invalid, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { StateJournal } from '../spec/contract/state.ts';
import type { Volume } from '../spec/contract/storage.ts';
import {
  booleanFilter,
  exactlyMatches,
  type Filters,
  filterValues,
  labelsMatch,
  patternFilter,
} from '../spec/engine/filters.ts';
import type { CreateVolumeRequest, VolumeListView, VolumePruneView, VolumeView } from '../spec/engine/volume.ts';
import type { AllVolumes } from './all.ts';
import { anonymousLabel } from './local.ts';
import { diskStatus } from './disk/status.ts';
import { isElsewhere } from './options.ts';
import type { FoundVolume } from './plugins/look.ts';

/** What the API offers for volumes. */
export interface VolumeService {
  /** Filters: `name` (a pattern for a part of it), `driver`, `label`, `dangling`. */
  list(filters: Filters): Promise<VolumeListView>;
  create(request: CreateVolumeRequest): Promise<VolumeView>;
  /** @throws not-found. */
  inspect(name: string): Promise<VolumeView>;
  remove(name: string, options: { force: boolean }): Promise<void>;
  /** Deletes unused anonymous volumes, with the filter `all` unused named ones too; `label`, `label!`. */
  prune(filters: Filters): Promise<VolumePruneView>;
  /** All volumes with their sizes and numbers of users, for `GET /system/df`. */
  usage(signal: AbortSignal): Promise<VolumeView[]>;
}

export function createVolumeService(volumes: AllVolumes, journal: StateJournal, log: Logger): VolumeService {
  return {
    async list(filters) {
      checkKeys(filters, ['name', 'driver', 'label', 'dangling']);
      const dangling = danglingFilter(filters);
      const hasName = patternFilter(filters, 'name');
      const isOf = (volume: Volume): boolean => exactlyMatches(filters, 'driver', volume.driver);
      const plugins = await volumes.plugins.listAll();
      const all = [
        ...volumes.local.list().map((volume) => ({ volume, view: viewOf(volume) })),
        ...plugins.volumes
          .filter(({ volume }) => volumes.local.get(volume.name) === undefined)
          .map((found) => ({ volume: found.volume, view: pluginView(found) })),
      ];
      const matching = all
        .filter(({ volume: { name } }) => hasName([name]))
        .filter(({ volume }) => isOf(volume) && labelsMatch(filters, volume.labels))
        .filter(({ volume: { name } }) => dangling === undefined || (volumes.users(name).length === 0) === dangling);
      const { warnings } = plugins;
      return { Volumes: matching.map(({ view }) => view), Warnings: warnings.length === 0 ? null : warnings };
    },
    async create({ Name, Driver, DriverOpts, Labels }) {
      const request = { driver: Driver, options: DriverOpts, labels: Labels };
      return viewOf(await volumes.ensure(Name === '' ? request : { ...request, name: Name }));
    },
    async inspect(name) {
      const volume = volumes.local.get(name);
      if (volume !== undefined) return { ...viewOf(volume), ...(await diskStatus(volume)) };
      const found = await volumes.plugins.inspect(name);
      const status = found.described?.status ?? {};
      return { ...pluginView(found), ...(Object.keys(status).length === 0 ? {} : { Status: status }) };
    },
    remove: (name, options) => volumes.remove(name, options),
    prune: (filters) => prune(volumes, journal, log, filters),
    async usage(signal) {
      const own = volumes.local.list().filter((volume) => !isElsewhere(volume));
      const sized = own.map(async (volume): Promise<VolumeView> => {
        const { name } = volume;
        const Size = await volumes.local.diskUsage(name, signal).catch((error: unknown) => unreadable(error, signal));
        return { ...viewOf(volume), UsageData: { Size, RefCount: volumes.users(name).length } };
      });
      return Promise.all(sized);
    },
  };
}

/** The size of a volume that cannot be read, as Docker says it; who went away gets none. */
function unreadable(error: unknown, signal: AbortSignal): number {
  if (signal.aborted) throw error;
  return -1;
}

/** A volume as clients see it: absent labels of named volumes are null, as in Docker. */
export function viewOf(volume: Volume): VolumeView {
  const orNull = (map: Readonly<Record<string, string>>): Record<string, string> | null =>
    Object.keys(map).length === 0 ? null : { ...map };
  return {
    Name: volume.name,
    Driver: volume.driver,
    Mountpoint: volume.mountpoint,
    CreatedAt: `${formatTime(volume.createdNs).slice(0, 19)}Z`,
    Labels: orNull(volume.labels),
    Scope: 'local',
    Options: orNull(volume.options),
  };
}

/** A volume of a plugin: what the plugin tells of it goes before what the engine remembers. */
function pluginView({ volume, described }: FoundVolume): VolumeView {
  const known = viewOf(volume);
  const createdAt = described?.createdAt ?? (volume.createdNs === 0n ? zeroTime : known.CreatedAt);
  return { ...known, Mountpoint: described?.mountpoint ?? known.Mountpoint, CreatedAt: createdAt, Scope: volume.scope };
}

async function prune(
  volumes: AllVolumes,
  journal: StateJournal,
  log: Logger,
  filters: Filters,
): Promise<VolumePruneView> {
  checkKeys(filters, ['all', 'label', 'label!']);
  const held = journal.aside.ofContainers().length;
  if (held > 0) {
    throw conflict(
      `volumes are not pruned: ${held} records could not be read and may be of containers that use them: run 'gantry system check --repair'`,
    );
  }
  const all = allFilter(filters);
  const deleted: string[] = [];
  let bytes = 0;
  for (const volume of volumes.local.list()) {
    const { name, labels } = volume;
    if (
      isElsewhere(volume) ||
      (!all && !Object.hasOwn(labels, anonymousLabel)) ||
      !labelsMatch(filters, labels) ||
      volumes.users(name).length > 0
    )
      continue;
    try {
      const size = await volumes.local.diskUsage(name);
      await volumes.remove(name);
      deleted.push(name);
      bytes += size;
    } catch (error) {
      // Taken into use or removed meanwhile.
      log.warn('a volume was not pruned', { name, reason: messageOf(error) });
    }
  }
  const attributes = { reclaimed: String(bytes) };
  await journal.commit({ events: [{ type: 'volume', action: 'prune', actorId: '', attributes }] });
  return { VolumesDeleted: deleted, SpaceReclaimed: bytes };
}

function checkKeys(filters: Filters, known: readonly string[]): void {
  for (const key of filters.keys()) if (!known.includes(key)) throw invalid(`invalid filter '${key}'`);
}

function danglingFilter(filters: Filters): boolean | undefined {
  const value = booleanFilter(filters, 'dangling');
  if (value === 'bad') throw invalid(`invalid filter 'dangling=[${shown(filters, 'dangling')}]'`);
  return value;
}

/** Docker takes one value in Go's grammar of booleans (strconv.ParseBool). */
function allFilter(filters: Filters): boolean {
  const values = filterValues(filters, 'all');
  if (values === undefined) return false;
  const [value = ''] = values;
  if (values.length > 1) throw invalid(`invalid filter 'all=[${shown(filters, 'all')}]': only one value is expected`);
  if (/^(1|t|T|TRUE|true|True)$/.test(value)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(value)) return false;
  throw invalid(`invalid filter 'all': strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`);
}

const shown = (filters: Filters, key: string): string => (filters.get(key) ?? []).join(' ').slice(0, 200);
