import type { BuildApi } from '../api/services/build.ts';
import { formatTime } from '../base/clock.ts';
import { invalid } from '../base/errors.ts';
import { parseTimestamp } from '../spec/decode/time.ts';
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
  async pruneCache({ filters, ...wanted }) {
    const { unusedForNs, others } = pruneFilters(filters);
    const gone = await builds.cache.prune({ ...wanted, unusedForNs, filters: others });
    const sizes = gone.map(({ size }) => size);
    return {
      CachesDeleted: gone.length === 0 ? null : gone.map(({ id }) => id),
      SpaceReclaimed: sizes.reduce((sum, size) => sum + size, 0),
    };
  },
});

/** Names of what is compared; `id` is a part of one. */
const fields = ['id', 'parent', 'type', 'description', 'inuse', 'shared', 'private', 'mutable', 'immutable'];
const labels = ['label', 'label!'];
/** How long something was not used, by either name. */
const ages = ['until', 'unused-for'];

/** Docker's filters as the cache of builds knows them. @throws EngineError `invalid` */
function pruneFilters(filters: Filters): { unusedForNs: bigint; others: readonly string[] } {
  const unknown = [...filters.keys()].find((name) => ![...fields, ...labels, ...ages].includes(name));
  if (unknown !== undefined) throw invalid(`invalid filter '${unknown.slice(0, 100)}'`);
  if (ages.every((name) => filters.has(name))) throw invalid('conflicting filters: "until" and "unused-for"');
  let unusedForNs = 0n;
  const conditions: string[] = [];
  for (const [name, values] of filters) {
    if (labels.includes(name)) return { unusedForNs, others: values.map((value) => `${name}=${value}`) };
    const [value] = values;
    if (values.length > 1) throw invalid('filters expect only one value');
    if (ages.includes(name)) {
      if (value !== undefined) unusedForNs = ageOf(name, value);
    } else if (value === undefined) conditions.push(name);
    else conditions.push(`${name}${name === 'id' ? '~=' : '=='}${JSON.stringify(value)}`);
  }
  return { unusedForNs, others: conditions.length === 0 ? [] : [conditions.join(',')] };
}

/** A duration, or since a time. */
function ageOf(name: string, text: string): bigint {
  const now = BigInt(Date.now()) * 1_000_000n;
  try {
    return now - parseTimestamp(text, now, name);
  } catch (error) {
    throw invalid(`"${name}" filter expects a duration (e.g., '24h') or a timestamp`, error);
  }
}

/** The cache of builds in `GET /system/df`. */
export async function buildCacheUsage(builds: Pick<BuildControl, 'cache'>): Promise<KindUsage<BuildCacheItem>> {
  const records = await builds.cache.records({ filters: [], unusedForNs: 0n });
  const total = records.reduce((sum, { size }) => sum + size, 0);
  const active = records.filter(({ inUse }) => inUse).length;
  const idle = records.filter(({ inUse, shared }) => !inUse && !shared);
  return {
    items: records.map(itemOf),
    totalSize: total,
    active,
    reclaimable: idle.reduce((sum, { size }) => sum + size, 0),
  };
}

const itemOf = (record: CacheRecord): BuildCacheItem => ({
  ID: record.id,
  ...(record.parents.length === 0 ? {} : { Parents: record.parents }),
  Type: record.type,
  Description: record.description,
  InUse: record.inUse,
  Shared: record.shared,
  Size: record.size,
  CreatedAt: formatTime(record.createdNs),
  LastUsedAt: record.lastUsedNs === undefined ? null : formatTime(record.lastUsedNs),
  UsageCount: record.usageCount,
});
