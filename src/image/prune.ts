import { invalid } from '../base/errors.ts';
import { booleanFilter, type Filters, filterValues, labelsMatch } from '../spec/engine/filters.ts';
import type { ImageDeleteItem, ImagePruneView } from '../spec/engine/image.ts';
import type { ImageContext } from './context.ts';
import { untilSeconds } from './list.ts';
import type { StoredImage } from './records.ts';
import { planDelete } from './remove.ts';
import { chooseVariant } from './resolve.ts';
import { imageSize, unixSeconds } from './view.ts';

const knownFilters = new Set(['dangling', 'label', 'label!', 'until']);

/** Deletes images that no container uses: untagged ones, or with `dangling=false` all. @throws EngineError `invalid` */
export async function pruneImages(context: ImageContext, filters: Filters): Promise<ImagePruneView> {
  for (const key of filters.keys()) if (!knownFilters.has(key)) throw invalid(`invalid filter '${key}'`);
  const dangling = booleanFilter(filters, 'dangling') ?? true;
  if (dangling === 'bad') throw invalid("invalid filter 'dangling': expected true or false");
  const limits = (filterValues(filters, 'until') ?? []).map((text) => untilSeconds(text, context));
  const deleted: ImageDeleteItem[] = [];
  let reclaimed = 0;
  for (const { id } of context.catalog.images()) {
    const removal = await context.catalog.exclusive(async (commit) => {
      const image = context.catalog.image(id);
      if (image === undefined || context.users.of(id).length > 0) return undefined;
      const names = context.catalog.namesOf(id);
      if (dangling && names.length > 0) return undefined;
      if (!(await isWanted(context, image, filters, limits))) return undefined;
      reclaimed += imageSize(context, image);
      const planned = await planDelete(context, image, names);
      await commit(planned.change);
      return planned;
    });
    if (removal === undefined) continue;
    deleted.push(...removal.items);
  }
  if (deleted.length > 0) await context.content.collect();
  const attributes = { reclaimed: String(reclaimed) };
  await context.catalog.tell({ type: 'image', action: 'prune', actorId: '', attributes });
  return { ImagesDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimed };
}

async function isWanted(
  context: ImageContext,
  image: StoredImage,
  filters: Filters,
  limits: readonly number[],
): Promise<boolean> {
  if (image.variants.length === 0) return limits.length === 0 && filterValues(filters, 'label') === undefined;
  const { config } = chooseVariant(image, context.host, undefined, image.id);
  const { created, config: run } = await context.configs(config.digest);
  return limits.every((limit) => unixSeconds(created) < limit) && labelsMatch(filters, run.Labels ?? {});
}
