import { conflict } from '../base/errors.ts';
import { filterValues } from '../spec/engine/filters.ts';
import type { EventInput } from '../spec/engine/event.ts';
import type { ImageDeleteItem, ImagePrunePlanItem, ImagePruneView } from '../spec/engine/image.ts';
import type { Reference } from '../spec/reference/reference.ts';
import { heldReason } from './content.ts';
import type { ImageContext } from './context.ts';
import { untilSeconds } from './list.ts';
import { type PlannedDeletion, planPrune, type PruneOptions } from './prune-plan.ts';
import { dropLeftovers, type Leftovers, leftovers } from './prune-unfinished.ts';
import { planDelete } from './remove.ts';
import { repoTags } from './view.ts';

/**
 * Deletes images that no container uses: untagged ones, or with `dangling=false` all.
 * @throws EngineError `invalid`; `conflict` while records that may have named images cannot be read
 */
export async function pruneImages(context: ImageContext, options: PruneOptions): Promise<ImagePruneView> {
  const isDry = options.dryRun === true;
  const held = context.aside.ofContent().length;
  if (held > 0 && !isDry) throw conflict(`images are not pruned: ${heldReason(held)}`);
  const left = await leftoversToPrune(context, options);
  return pruneBy(context, () => planPrune(context, options), left, isDry);
}

/**
 * Makes a plan and carries it out as one step, so that nothing comes between; then goes what broken pulls have left. A
 * dry run only tells it.
 */
export async function pruneBy(
  context: ImageContext,
  makePlan: () => Promise<PlannedDeletion[]>,
  left: Leftovers,
  isDry: boolean,
): Promise<ImagePruneView> {
  if (isDry) {
    const plan = await makePlan();
    return {
      ImagesDeleted: null,
      SpaceReclaimed: bytesOf(plan) + left.bytes,
      Plan: [...plan.map(planItem), ...leftoversItem(left)],
    };
  }
  const deleted: ImageDeleteItem[] = [];
  const plan = await context.catalog.exclusive(async (commit) => {
    const planned = await makePlan();
    if (planned.length === 0) return planned;
    const deleteNames: Reference[] = [];
    const events: EventInput[] = [];
    for (const { image, names } of planned) {
      const { change, items } = await planDelete(context, image, names);
      deleteNames.push(...(change.deleteNames ?? []));
      events.push(...(change.events ?? []));
      deleted.push(...items);
    }
    await commit({ deleteNames, deleteImages: planned.map(({ image }) => image.id), events });
    return planned;
  });
  for (const { image } of plan) context.uses.forget(image.id);
  if (left.bytes > 0) await dropLeftovers(context, left);
  if (plan.length > 0 || left.bytes > 0) await context.content.collect();
  const reclaimed = bytesOf(plan) + left.bytes;
  const attributes = { reclaimed: String(reclaimed) };
  await context.catalog.tell({ type: 'image', action: 'prune', actorId: '', attributes });
  return { ImagesDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimed };
}

const bytesOf = (plan: readonly PlannedDeletion[]): number => plan.reduce((sum, { freed }) => sum + freed, 0);

/**
 * What broken pulls have left has no name and no container uses it, so it goes with untagged images: at the age that
 * the filters ask for, and not where they ask for labels, which it has none of.
 */
async function leftoversToPrune(context: ImageContext, options: PruneOptions): Promise<Leftovers> {
  const { filters, unusedForNs = 0n } = options;
  if (filterValues(filters, 'label') !== undefined || filterValues(filters, 'label!') !== undefined) {
    return { pulls: [], bytes: 0 };
  }
  const limits = (filterValues(filters, 'until') ?? []).map(
    (text) => BigInt(untilSeconds(text, context)) * 1_000_000_000n,
  );
  if (unusedForNs > 0n) limits.push(context.clock.nowNs() - unusedForNs);
  return leftovers(context, limits.sort((a, b) => (a < b ? -1 : 1))[0]);
}

const leftoversItem = ({ pulls, bytes }: Leftovers): ImagePrunePlanItem[] =>
  bytes === 0 ? [] : [{ Id: '', RepoTags: [], Reason: `what ${pulls.length} broken pulls have left`, Freed: bytes }];

const planItem = ({ image, names, reason, freed }: PlannedDeletion): ImagePrunePlanItem => ({
  Id: image.id,
  RepoTags: repoTags(names),
  Reason: reason,
  Freed: freed,
});
