import type { BuildApi } from '../api/services/build.ts';
import { formatTime } from '../base/clock.ts';
import { parseDuration } from '../base/text/duration.ts';
import type { BuildControl } from '../build/control/service.ts';
import type { Builds } from '../build/open.ts';
import type { CacheRecord } from '../build/control/ports.ts';
import type { Filters } from '../spec/engine/filters.ts';
import type { BuildCacheItem, KindUsage } from '../spec/engine/usage.ts';

/** The builder as the Engine API sees it. */
export const buildApi = (builds: Builds): BuildApi => ({
  serve: (connection) => builds.serve(connection),
  checkSession: (request) => builds.checkSession(request),
  openSession: (connection, request) => builds.openSession(connection, request),
  build: (request) => builds.build(request),
  upload: (id, archive, signal) => builds.upload(id, archive, signal),
  cancel: (id) => void builds.cancel(id),
  async pruneCache({ all, keepBytes, filters }) {
    const { unusedForNs, others } = pruneFilters(filters);
    const gone = await builds.cache.prune({ all, keepBytes, unusedForNs, filters: others });
    const sizes = gone.map(({ size }) => size);
    return {
      CachesDeleted: gone.length === 0 ? null : gone.map(({ id }) => id),
      SpaceReclaimed: sizes.reduce((sum, size) => sum + size, 0),
    };
  },
});

/** `until` and its other names say how long something was not used. */
const ages = ['until', 'unused-for', 'older-than'];

function pruneFilters(filters: Filters): { unusedForNs: bigint; others: readonly string[] } {
  let unusedForNs = 0n;
  const others: string[] = [];
  for (const [name, values] of filters) {
    const [value = ''] = values;
    if (!ages.includes(name)) {
      others.push(`${name}=${value}`);
      continue;
    }
    unusedForNs = parseDuration(value);
  }
  return { unusedForNs, others };
}

/** The cache of builds in `GET /system/df`. */
export async function buildCacheUsage(builds: Pick<BuildControl, 'cache'>): Promise<KindUsage<BuildCacheItem>> {
  const records = await builds.cache.records();
  const total = records.reduce((sum, { size }) => sum + size, 0);
  const active = records.filter(({ inUse }) => inUse).length;
  return { items: records.map(itemOf), totalSize: total, active, reclaimable: total };
}

const itemOf = (record: CacheRecord): BuildCacheItem => ({
  ID: record.id,
  Type: record.type,
  Description: record.description,
  InUse: record.inUse,
  Shared: record.shared,
  Size: record.size,
  CreatedAt: formatTime(record.createdNs),
  LastUsedAt: record.lastUsedNs === undefined ? null : formatTime(record.lastUsedNs),
  UsageCount: record.usageCount,
});
