import { conflict } from '../base/errors.ts';
import type { EventInput } from '../spec/engine/event.ts';
import type { ImageDeleteItem, ImagePrunePlanItem, ImagePruneView } from '../spec/engine/image.ts';
import type { Reference } from '../spec/reference/reference.ts';
import { heldReason } from './content.ts';
import type { ImageContext } from './context.ts';
import { type PlannedDeletion, planPrune, type PruneOptions } from './prune-plan.ts';
import { planDelete } from './remove.ts';
import { repoTags } from './view.ts';

/**
 * Deletes images that no container uses: untagged ones, or with `dangling=false` all. The plan is made and carried out
 * as one step, so that nothing comes between; a dry run only tells it. @throws EngineError `invalid`; `conflict` while records that may have named images cannot be read
 */
export async function pruneImages(context: ImageContext, options: PruneOptions): Promise<ImagePruneView> {
  if (options.dryRun === true) {
    const plan = await planPrune(context, options);
    return { ImagesDeleted: null, SpaceReclaimed: bytesOf(plan), Plan: plan.map(planItem) };
  }
  const held = context.aside.ofContent().length;
  if (held > 0) throw conflict(`images are not pruned: ${heldReason(held)}`);
  const deleted: ImageDeleteItem[] = [];
  const plan = await context.catalog.exclusive(async (commit) => {
    const planned = await planPrune(context, options);
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
  if (plan.length > 0) await context.content.collect();
  const reclaimed = bytesOf(plan);
  const attributes = { reclaimed: String(reclaimed) };
  await context.catalog.tell({ type: 'image', action: 'prune', actorId: '', attributes });
  return { ImagesDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimed };
}

const bytesOf = (plan: readonly PlannedDeletion[]): number => plan.reduce((sum, { freed }) => sum + freed, 0);

const planItem = ({ image, names, reason, freed }: PlannedDeletion): ImagePrunePlanItem => ({
  Id: image.id,
  RepoTags: repoTags(names),
  Reason: reason,
  Freed: freed,
});
