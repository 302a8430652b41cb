import { humanSize } from '../../base/text/units.ts';
import type { ContainerSummary } from '../../spec/engine/container.ts';
import type { ImageSummary } from '../../spec/engine/image.ts';
import type { BuildCacheItem, DiskUsageView } from '../../spec/engine/usage.ts';
import type { VolumeView } from '../../spec/engine/volume.ts';
import { defineCommand, noArguments } from '../command.ts';
import { flag, types } from '../flags/types.ts';
import { formatHelp } from '../format/help.ts';
import { formatRows, type RowKind } from '../format/rows.ts';

/** One line of the table: a kind of objects. */
interface UsageRow {
  readonly type: string;
  readonly total: number;
  readonly active: number;
  readonly size: number;
  readonly reclaimable: number;
  /** The share of what can be had back is told, too. */
  readonly hasShare: boolean;
}

const kind: RowKind<UsageRow> = {
  goType: '*formatter.diskUsageContext',
  columns: {
    Active: { header: 'ACTIVE', of: ({ active }) => String(active) },
    Reclaimable: { header: 'RECLAIMABLE', of: reclaimableText },
    Size: { header: 'SIZE', of: ({ size }) => humanSize(size) },
    TotalCount: { header: 'TOTAL', of: ({ total }) => String(total) },
    Type: { header: 'TYPE', of: ({ type }) => type },
  },
};

const table = ['Type', 'TotalCount', 'Active', 'Size', 'Reclaimable'];

function reclaimableText({ reclaimable, size, hasShare }: UsageRow): string {
  const text = humanSize(reclaimable);
  return hasShare && size > 0 ? `${text} (${Math.trunc((reclaimable * 100) / size)}%)` : text;
}

export const df = defineCommand({
  usage: '[OPTIONS]',
  summary: 'Show what images, containers and volumes take on the disk',
  flags: {
    format: flag(types.string, formatHelp),
    verbose: flag(types.bool, 'Show each object', { short: 'v' }),
  },
  args: noArguments,
  async run({ session, flags }) {
    const view = await session.client.json<DiskUsageView>('GET', '/system/df');
    if (flags.verbose) {
      const { verboseUsage } = await import('./_df-verbose.ts');
      session.out(await verboseUsage(flags.format, view));
    } else session.out(await formatRows(flags.format, kind, table, usageRows(view)));
    return 0;
  },
});

const usageRows = (view: DiskUsageView): UsageRow[] => [
  imageRow(view.Images ?? [], view.LayersSize ?? 0),
  containerRow(view.Containers ?? []),
  volumeRow(view.Volumes ?? []),
  cacheRow(view.BuildCache ?? []),
];

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

/** What is left when the images in use keep what is theirs alone. */
function imageRow(images: readonly ImageSummary[], size: number): UsageRow {
  const used = images.filter(({ Containers }) => Containers > 0);
  const known = images.filter(
    ({ Containers, Size, SharedSize }) => Containers !== 0 && Size !== -1 && SharedSize !== -1,
  );
  return {
    type: 'Images',
    total: images.length,
    active: used.length,
    size,
    reclaimable: size - sum(known.map(({ Size, SharedSize }) => Size - SharedSize)),
    hasShare: true,
  };
}

const activeStates: ReadonlySet<string> = new Set(['running', 'paused', 'restarting']);

function containerRow(containers: readonly ContainerSummary[]): UsageRow {
  const idle = containers.filter(({ State }) => !activeStates.has(State));
  return {
    type: 'Containers',
    total: containers.length,
    active: containers.length - idle.length,
    size: sum(containers.map(({ SizeRw = 0 }) => SizeRw)),
    reclaimable: sum(idle.map(({ SizeRw = 0 }) => SizeRw)),
    hasShare: true,
  };
}

function volumeRow(volumes: readonly VolumeView[]): UsageRow {
  const sizeOf = ({ UsageData }: VolumeView) => Math.max(0, UsageData?.Size ?? 0);
  const unused = volumes.filter(({ UsageData }) => UsageData?.RefCount === 0);
  return {
    type: 'Local Volumes',
    total: volumes.length,
    active: volumes.filter(({ UsageData }) => (UsageData?.RefCount ?? 0) > 0).length,
    size: sum(volumes.map(sizeOf)),
    reclaimable: sum(unused.map(sizeOf)),
    hasShare: true,
  };
}

function cacheRow(items: readonly BuildCacheItem[]): UsageRow {
  const own = items.filter(({ Shared }) => !Shared);
  const size = sum(own.map(({ Size }) => Size));
  return {
    type: 'Build Cache',
    total: items.length,
    active: items.filter(({ InUse }) => InUse).length,
    size,
    reclaimable: size - sum(own.filter(({ InUse }) => InUse).map(({ Size }) => Size)),
    hasShare: false,
  };
}
