import { statfs } from 'node:fs/promises';
import type { Clock } from '../../base/clock.ts';
import type { BuildImages } from '../../spec/contract/build.ts';
import type { Contexts } from '../context/contexts.ts';
import type { CachePruneOptions, CacheRecord, CacheView } from '../control/ports.ts';
import type { CacheEntry, StepCache } from './cache.ts';
import { cacheFilter } from './filter.ts';

export interface CacheViewParts {
  readonly cache: StepCache;
  readonly contexts: Contexts;
  readonly images: Pick<BuildImages, 'collect' | 'imageLayers'>;
  /** On the file system whose free space counts. */
  readonly directory: string;
  readonly clock: Clock;
}

/** So many hex digits of a step's key are its id. */
const idDigits = 25;

/** The results of steps and the contexts that are kept, as `docker buildx du` and `prune` see them. */
export function cacheView(parts: CacheViewParts): CacheView {
  const { cache, contexts, images, clock } = parts;
  return {
    async records({ filters, unusedForNs }) {
      const fits = cacheFilter(filters);
      const now = clock.nowNs();
      return allRecords(parts).filter((record) => fits(record) && isUnused(record, unusedForNs, now));
    },
    async prune(options) {
      // `docker system prune --filter label=...` sends its filter here, too: nothing of the cache has a label.
      const isLabel = (filter: string): boolean => /^label!?=/.test(filter);
      if (options.filters.some(isLabel)) return [];
      const records = allRecords(parts);
      const keep = await keptBytes(parts, sizeOf(records), options);
      const gone = goingRecords(records, options, keep, clock.nowNs());
      const ids = new Set(gone.map(({ id }) => id));
      await cache.drop(cache.entries().flatMap(({ key }) => (ids.has(idOf(key)) ? [key] : [])));
      if (ids.has(contextsId)) await contexts.clear();
      await images.collect();
      return gone;
    },
  };
}

const contextsId = 'contexts';
const idOf = (key: string): string => key.slice(0, idDigits);

/** What images have as well takes no room of its own. */
const sizeOf = (records: readonly CacheRecord[]): number =>
  records.reduce((sum, { shared, size }) => sum + (shared ? 0 : size), 0);

function allRecords({ cache, contexts, images, clock }: CacheViewParts): CacheRecord[] {
  const entries = cache.entries();
  const ids = new Set(entries.map(({ key }) => idOf(key)));
  const ofImages = images.imageLayers();
  const records = entries.map((entry) =>
    recordOf(entry, ids, entry.layer !== undefined && ofImages.has(entry.layer.diffId)),
  );
  if (contexts.count === 0) return records;
  const local: CacheRecord = {
    id: contextsId,
    description: 'local sources',
    type: 'source.local',
    size: contexts.size,
    createdNs: clock.nowNs(),
    lastUsedNs: undefined,
    usageCount: 0,
    inUse: false,
    shared: false,
    mutable: true,
    parents: [],
  };
  return [...records, local];
}

const recordOf = (entry: CacheEntry, ids: ReadonlySet<string>, shared: boolean): CacheRecord => {
  const { key, layer, parent, description, createdNs, lastUsedNs, usageCount } = entry;
  return {
    id: idOf(key),
    description,
    type: 'regular',
    size: layer?.blob.size ?? 0,
    createdNs,
    lastUsedNs,
    usageCount,
    inUse: false,
    shared,
    mutable: false,
    parents: parent === undefined || !ids.has(idOf(parent)) ? [] : [idOf(parent)],
  };
};

const isUnused = ({ lastUsedNs, createdNs }: CacheRecord, unusedForNs: bigint, now: bigint): boolean =>
  unusedForNs === 0n || now - (lastUsedNs ?? createdNs) >= unusedForNs;

/**
 * How many bytes are to be left, 0 for none: no more than `maxUsedBytes`, less when so much has to go for `minFreeBytes` on the
 * file system, but never less than `reservedBytes`. With that alone, nothing goes while enough is free.
 */
async function keptBytes(
  { directory }: CacheViewParts,
  total: number,
  { maxUsedBytes, minFreeBytes, reservedBytes }: CachePruneOptions,
): Promise<number> {
  if (maxUsedBytes === 0 && minFreeBytes === 0) return reservedBytes;
  let keep = maxUsedBytes;
  if (minFreeBytes > 0) {
    const { bavail, bsize } = await statfs(directory);
    const lacking = minFreeBytes - bavail * bsize;
    // One byte: all of it, but not because nobody said how much.
    if (lacking > 0) keep = Math.max(1, keep === 0 ? total - lacking : Math.min(keep, total - lacking));
    else if (keep === 0) return Number.POSITIVE_INFINITY;
  }
  return Math.max(keep, reservedBytes);
}

/** The oldest first, until what is to stay has room; what images have as well stays, unless all is meant. */
function goingRecords(
  records: readonly CacheRecord[],
  { all, filters, unusedForNs }: CachePruneOptions,
  keep: number,
  now: bigint,
): readonly CacheRecord[] {
  const fits = cacheFilter(filters);
  const oldestFirst = records
    .filter((record) => !record.inUse && (all || !record.shared) && fits(record) && isUnused(record, unusedForNs, now))
    .sort((a, b) => ((a.lastUsedNs ?? a.createdNs) < (b.lastUsedNs ?? b.createdNs) ? -1 : 1));
  if (keep === 0) return oldestFirst;
  let size = sizeOf(records);
  const gone: CacheRecord[] = [];
  for (const record of oldestFirst) {
    if (size <= keep) break;
    gone.push(record);
    size -= record.shared ? 0 : record.size;
  }
  return gone;
}
