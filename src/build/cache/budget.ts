import { statfs } from 'node:fs/promises';
import type { Logger } from '../../base/log.ts';
import { humanSize } from '../../base/text/units.ts';
import type { BuildImages } from '../../spec/contract/build.ts';
import type { StorageBudget } from '../../spec/engine/storage-budget.ts';
import type { Contexts } from '../context/contexts.ts';
import type { CacheEntry, StepCache } from './cache.ts';

/** Of the budget, what contexts may have when steps want it, too: they are quicker to get again than to build. */
const contextPart = 0.5;

export interface BudgetParts {
  readonly cache: StepCache;
  readonly contexts: Contexts;
  readonly images: Pick<BuildImages, 'collect'>;
  /** On the file system that percents are of. */
  readonly directory: string;
  readonly log: Logger;
}

const sizeOf = ({ layer }: CacheEntry): number => layer?.blob.size ?? 0;

/**
 * Keeps what builds leave for the next ones within a budget: results of steps and contexts, together. Contexts go first, down
 * to half of it, then the steps that were used longest ago, and the log says what went and why. What images have, and what
 * running builds use, stays on the disk whatever the budget.
 */
export async function keepCacheBudget(parts: BudgetParts, limit: StorageBudget['limit']): Promise<void> {
  const { cache, contexts, images, directory, log } = parts;
  const bytes = 'bytes' in limit ? limit.bytes : await bytesOf(limit.percent, directory);
  const entries = cache.entries();
  const steps = entries.reduce((sum, entry) => sum + sizeOf(entry), 0);
  const before = steps + contexts.size;
  if (before <= bytes) return;
  const contextBytes = await contexts.shrink(Math.max(bytes * contextPart, bytes - steps));
  const gone: CacheEntry[] = [];
  let size = steps + contexts.size;
  for (const entry of [...entries].sort((a, b) => (a.lastUsedNs < b.lastUsedNs ? -1 : 1))) {
    if (size <= bytes) break;
    gone.push(entry);
    size -= sizeOf(entry);
  }
  await cache.drop(gone.map(({ key }) => key));
  await images.collect();
  log.info('the build cache was over its budget: what was used longest ago went', {
    budget: humanSize(bytes),
    before: humanSize(before),
    after: humanSize(size),
    steps: gone.length,
    contexts: humanSize(contextBytes),
  });
}

async function bytesOf(percent: number, directory: string): Promise<number> {
  const { blocks, bsize } = await statfs(directory);
  return (blocks * bsize * percent) / 100;
}
