import type { Clock } from '../../base/clock.ts';
import { EngineError } from '../../base/errors.ts';
import type { BuildImages } from '../../spec/contract/build.ts';
import type { Contexts } from '../context/contexts.ts';
import type { CachePruneOptions, CacheRecord, CacheView } from '../control/ports.ts';
import type { CacheEntry, StepCache } from './cache.ts';

/** The results of steps and the contexts that are kept, as `docker buildx du` and `prune` see them. */
export function cacheView(
  cache: StepCache,
  contexts: Contexts,
  images: Pick<BuildImages, 'collect'>,
  clock: Clock,
): CacheView {
  const contextRecord = (): CacheRecord[] =>
    contexts.count === 0
      ? []
      : [
          {
            id: 'contexts',
            description: 'local sources',
            type: 'source.local',
            size: contexts.size,
            createdNs: clock.nowNs(),
            lastUsedNs: undefined,
            usageCount: 0,
            inUse: false,
            shared: false,
            parents: [],
          },
        ];
  return {
    records: async () => [...cache.entries().map(recordOf), ...contextRecord()],
    async prune(options) {
      checkFilters(options.filters);
      // `docker system prune --filter label=...` sends its filter here, too: nothing of the cache has a label.
      if (options.filters.some((filter) => filter.startsWith('label='))) return [];
      const gone = goingEntries(cache.entries(), options, clock.nowNs());
      await cache.drop(gone.map(({ key }) => key));
      const takesContexts = options.unusedForNs === 0n && options.keepBytes === 0;
      const local = takesContexts ? contextRecord() : [];
      if (takesContexts) await contexts.clear();
      await images.collect();
      return [...gone.map(recordOf), ...local];
    },
  };
}

const recordOf = ({ key, layer, description, createdNs, lastUsedNs, usageCount }: CacheEntry): CacheRecord => ({
  id: key.slice(0, 25),
  description,
  type: 'regular',
  size: layer?.blob.size ?? 0,
  createdNs,
  lastUsedNs,
  usageCount,
  inUse: false,
  shared: false,
  parents: [],
});

/** The oldest first, until what is to stay has room. */
function goingEntries(entries: readonly CacheEntry[], options: CachePruneOptions, now: bigint): readonly CacheEntry[] {
  const oldestFirst = [...entries].sort((a, b) => (a.lastUsedNs < b.lastUsedNs ? -1 : 1));
  let size = entries.reduce((sum, { layer }) => sum + (layer?.blob.size ?? 0), 0);
  const gone: CacheEntry[] = [];
  for (const entry of oldestFirst) {
    if (options.keepBytes > 0 && size <= options.keepBytes) break;
    if (now - entry.lastUsedNs < options.unusedForNs) continue;
    gone.push(entry);
    size -= entry.layer?.blob.size ?? 0;
  }
  return gone;
}

/** @throws EngineError `not-implemented`: a filter that is passed by would delete what was to stay */
function checkFilters(filters: readonly string[]): void {
  const first = filters.find((filter) => filter !== '' && !/^label!?=/.test(filter));
  if (first !== undefined) {
    throw new EngineError(
      'not-implemented',
      `the filter ${JSON.stringify(first)} is not implemented by this engine yet`,
    );
  }
}
