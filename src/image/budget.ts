import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { conflict } from '../base/errors.ts';
import { digestOfHex } from '../base/ids.ts';
import { humanSize } from '../base/text/units.ts';
import type { ImagePruneView } from '../spec/engine/image.ts';
import type { StorageBudget } from '../spec/engine/storage-budget.ts';
import { heldReason } from './content.ts';
import type { ImageContext } from './context.ts';
import type { ContentStore } from './ports.ts';
import { pruneBy } from './prune.ts';
import { leftovers } from './prune-unfinished.ts';
import { type PlannedDeletion, planPrune } from './prune-plan.ts';

/** What the store takes, and what it may. Bytes. */
interface Measure {
  readonly used: number;
  readonly limit: number;
}

/**
 * Brings what blobs and layers take below the budget, as far as that can be: first goes what pulls left that were broken
 * off, then images that no container uses, those that have been unused the longest first. What was used or brought here
 * within the grace time stays, and so do images with one of the labels. `dryRun` only tells.
 * @throws EngineError `conflict` while records that may have named images cannot be read
 */
export async function keepBudget(
  context: ImageContext,
  store: ContentStore,
  budget: StorageBudget,
  dryRun: boolean,
): Promise<ImagePruneView> {
  const { used, limit } = await measure(store, budget);
  if (used <= limit) return { ImagesDeleted: null, SpaceReclaimed: 0, ...(dryRun ? { Plan: [] } : {}) };
  const held = context.aside.ofContent().length;
  if (held > 0 && !dryRun) throw conflict(`the storage budget is not kept: ${heldReason(held)}`);
  const left = await leftovers(context, context.clock.nowNs() - budget.graceNs);
  const measured = { used, over: used - limit, toFree: used - limit - left.bytes };
  const find = (): Promise<PlannedDeletion[]> =>
    measured.toFree > 0 ? planFor(context, budget, measured) : Promise.resolve([]);
  // Nothing can be done: nobody is told of it every minute.
  if (!dryRun && left.bytes === 0 && (await find()).length === 0) return { ImagesDeleted: null, SpaceReclaimed: 0 };
  const plan = async (): Promise<PlannedDeletion[]> => {
    const planned = await find();
    for (const { image, reason, freed } of dryRun ? [] : planned) {
      context.log.info('an image is removed for the storage budget', { image: image.id, reason, freed });
    }
    return planned;
  };
  return pruneBy(context, plan, left, dryRun);
}

async function planFor(
  context: ImageContext,
  budget: StorageBudget,
  { used, over, toFree }: { readonly used: number; readonly over: number; readonly toFree: number },
): Promise<PlannedDeletion[]> {
  const why = `images take ${humanSize(used)}, ${humanSize(over)} more than the budget`;
  const planned = await planPrune(context, {
    filters: new Map([['dangling', ['false']]]),
    unusedForNs: budget.graceNs,
    keepLabels: budget.keep,
    toFree,
  });
  return planned.map((deletion) => ({ ...deletion, reason: `${why}; ${deletion.reason}` }));
}

async function measure(store: ContentStore, { limit }: StorageBudget): Promise<Measure> {
  const blobs = (await store.blobs.list()).reduce((sum, { size }) => sum + size, 0);
  const used = store.layers.list().reduce((sum, { storedSize }) => sum + storedSize, blobs);
  if ('bytes' in limit) return { used, limit: limit.bytes };
  const { blocks, bsize } = await statfs(dirname(store.blobs.path(digestOfHex('0'.repeat(64)))));
  return { used, limit: Math.floor((blocks * bsize * limit.percent) / 100) };
}
