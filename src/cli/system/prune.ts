import { humanSize } from '../../base/text/units.ts';
import type { ImageDeleteItem, ImagePruneView } from '../../spec/engine/image.ts';
import type { BuildPruneView, NetworkPruneView } from '../../spec/engine/usage.ts';
import type { VolumePruneView } from '../../spec/engine/volume.ts';
import { defineCommand, noArguments } from '../command.ts';
import { confirm } from '../confirm.ts';
import { CliError } from '../errors.ts';
import { filtersJson, filterType, flag, types } from '../flags/types.ts';
import { byNatural } from '../format/natural.ts';
import type { Session } from '../session.ts';

type Filters = ReadonlyMap<string, ReadonlySet<string>>;

/** What one kind of objects gave back: bytes, and lines about what is gone. */
interface Pruned {
  readonly bytes: number;
  readonly text: string;
}

export const prune = defineCommand({
  usage: '[OPTIONS]',
  summary: 'Remove what nobody uses: containers, networks, images and the build cache',
  flags: {
    all: flag(types.bool, 'Remove all unused images, not only untagged ones', { short: 'a' }),
    filter: flag(filterType, 'Remove only what meets a condition ("label=<key>=<value>")'),
    force: flag(types.bool, 'Do not ask', { short: 'f' }),
    volumes: flag(types.bool, 'Remove anonymous volumes too'),
  },
  args: noArguments,
  async run({ session, flags: { all, filter, force, volumes } }) {
    if (volumes && filter.has('until'))
      throw new CliError('ERROR: The "until" filter is not supported with "--volumes"');
    if (!force && !(await confirm(session, question({ all, volumes, filter })))) return 0;
    const steps = [
      () => pruneContainers(session, filter),
      () => pruneNetworks(session, filter),
      ...(volumes ? [() => pruneVolumes(session, filter)] : []),
      () => pruneImages(session, filter, all),
      () => pruneCache(session, filter, all),
    ];
    let bytes = 0;
    for (const step of steps) {
      const pruned = await step();
      bytes += pruned.bytes;
      if (pruned.text !== '') session.out(`${pruned.text}\n`);
    }
    session.out(`Total reclaimed space: ${humanSize(bytes)}\n`);
    return 0;
  },
});

function question({ all, volumes, filter }: { all: boolean; volumes: boolean; filter: Filters }): string {
  const doomed = [
    'all stopped containers',
    'all networks not used by at least one container',
    ...(volumes ? ['all anonymous volumes not used by at least one container'] : []),
    all ? 'all images without at least one container associated to them' : 'all dangling images',
    all ? 'all build cache' : 'unused build cache',
  ];
  const filters = ['label', 'label!', 'until']
    .flatMap((name) => [...(filter.get(name) ?? [])].map((value) => `${name}=${value}`))
    .sort(byNatural);
  const filtered = filters.length === 0 ? '' : `\n  Items to be pruned will be filtered with:\n${listed(filters)}`;
  return `WARNING! This will remove:\n${listed(doomed)}${filtered}\nAre you sure you want to continue?`;
}

const listed = (lines: readonly string[]): string => lines.map((line) => `  - ${line}\n`).join('');

const ask = <T>(session: Session, path: string, filters: Filters): Promise<T> =>
  session.client.json<T>('POST', path, { query: { filters: filtersJson(filters) } });

const gone = (heading: string, names: readonly string[] | null, bytes: number): Pruned =>
  names === null || names.length === 0
    ? { bytes, text: '' }
    : { bytes, text: `${heading}:\n${names.map((name) => `${name}\n`).join('')}` };

async function pruneContainers(session: Session, filters: Filters): Promise<Pruned> {
  const report = await ask<{ ContainersDeleted: string[] | null; SpaceReclaimed: number }>(
    session,
    '/containers/prune',
    filters,
  );
  return gone('Deleted Containers', report.ContainersDeleted, report.SpaceReclaimed);
}

async function pruneNetworks(session: Session, filters: Filters): Promise<Pruned> {
  const { NetworksDeleted } = await ask<NetworkPruneView>(session, '/networks/prune', filters);
  return gone('Deleted Networks', NetworksDeleted, 0);
}

async function pruneVolumes(session: Session, filters: Filters): Promise<Pruned> {
  const report = await ask<VolumePruneView>(session, '/volumes/prune', filters);
  return gone('Deleted Volumes', report.VolumesDeleted, report.SpaceReclaimed);
}

const deletedLine = (item: ImageDeleteItem): string =>
  'Untagged' in item ? `untagged: ${item.Untagged}` : `deleted: ${item.Deleted}`;

async function pruneImages(session: Session, filters: Filters, all: boolean): Promise<Pruned> {
  const wanted = new Map(filters).set('dangling', new Set([String(!all)]));
  const report = await ask<ImagePruneView>(session, '/images/prune', wanted);
  return gone('Deleted Images', report.ImagesDeleted?.map(deletedLine) ?? null, report.SpaceReclaimed);
}

async function pruneCache(session: Session, filters: Filters, all: boolean): Promise<Pruned> {
  // Docker's client names the filters of the cache also when there are none.
  const query = { all, filters: filtersJson(filters) ?? '' };
  const report = await session.client.json<BuildPruneView>('POST', '/build/prune', { query });
  return gone('Deleted build cache objects', report.CachesDeleted, report.SpaceReclaimed);
}
