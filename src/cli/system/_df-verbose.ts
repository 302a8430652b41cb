import { humanSize } from '../../base/text/units.ts';
import type { BuildCacheItem, DiskUsageView } from '../../spec/engine/usage.ts';
import { containerRows } from '../container/columns.ts';
import { formatRows, type RowKind } from '../format/rows.ts';
import { formatObject } from '../format/object.ts';
import { shortId, timeAgo } from '../format/text.ts';
import { imageKind, type ImageRow, imageRowsOf } from '../image/rows.ts';
import { volumeKind } from '../volume/rows.ts';

const seconds = (time: string | null): number => Date.parse(time ?? '') / 1000;

const cacheKind: RowKind<BuildCacheItem> = {
  goType: '*formatter.buildCacheContext',
  columns: {
    CacheType: { header: 'CACHE TYPE', of: ({ Type }) => Type },
    CreatedSince: { header: 'CREATED', of: ({ CreatedAt }) => timeAgo(seconds(CreatedAt)) },
    Description: { header: 'DESCRIPTION', of: ({ Description }) => Description },
    ID: { header: 'CACHE ID', of: ({ ID }) => shortId(ID) },
    InUse: { header: 'IN USE', of: ({ InUse }) => String(InUse) },
    LastUsedSince: {
      header: 'LAST USED',
      of: ({ LastUsedAt }) => (LastUsedAt === null ? '' : timeAgo(seconds(LastUsedAt))),
    },
    Shared: { header: 'SHARED', of: ({ Shared }) => String(Shared) },
    Size: { header: 'SIZE', of: ({ Size }) => humanSize(Size) },
    UsageCount: { header: 'USAGE', of: ({ UsageCount }) => String(UsageCount) },
  },
};

const imageTable = ['Repository', 'Tag', 'ID', 'CreatedSince', 'Size', 'SharedSize', 'UniqueSize', 'Containers'];
const containerTable = ['ID', 'Image', 'Command', 'LocalVolumes', 'Size', 'RunningFor', 'Status', 'Names'];
const volumeTable = ['Name', 'Links', 'Size'];
const cacheTable = ['ID', 'CacheType', 'Size', 'CreatedSince', 'LastUsedSince', 'UsageCount', 'Shared'];

/** Each object with what it takes, as tables or in the given format. @throws CliError for a bad template */
export async function verboseUsage(format: string, view: DiskUsageView): Promise<string> {
  const isTable = format === '' || format === 'table';
  // The size of the whole root is left out: it would count layers more than once.
  const containers = (view.Containers ?? []).map((container) => ({ ...container, SizeRootFs: 0 }));
  // Named by its first tag; an image that only a digest names has no name here.
  const images = (view.Images ?? []).flatMap((image): ImageRow[] =>
    imageRowsOf({ ...image, RepoDigests: [] }, { digests: false, digestRows: false }).slice(0, 1),
  );
  const volumes = view.Volumes ?? [];
  const cache = view.BuildCache ?? [];
  if (!isTable) {
    const rows = <T>(kind: RowKind<T>, items: readonly T[]) =>
      items.map((item) => Object.fromEntries(Object.entries(kind.columns).map(([name, { of }]) => [name, of(item)])));
    return formatObject(format, {
      Images: rows(imageKind(false), images),
      Containers: rows(containerRows(false), containers),
      Volumes: rows(volumeKind, volumes),
      BuildCache: rows(cacheKind, cache),
    });
  }
  const cacheSize = cache.filter(({ Shared }) => !Shared).reduce((sum, { Size }) => sum + Size, 0);
  return [
    `Images space usage:\n\n${await formatRows('', imageKind(true), imageTable, images)}`,
    `Containers space usage:\n\n${await formatRows('', containerRows(true), containerTable, containers)}`,
    `Local Volumes space usage:\n\n${await formatRows('', volumeKind, volumeTable, volumes)}`,
    `Build cache usage: ${humanSize(cacheSize)}\n\n${await formatRows('', cacheKind, cacheTable, cache)}`,
  ].join('\n');
}
