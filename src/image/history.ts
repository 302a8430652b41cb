import type { ImageHistoryItem } from '../spec/engine/image.ts';
import type { ImageContext } from './context.ts';
import { chooseVariant, findImage } from './resolve.ts';
import { repoTags, unixSeconds } from './view.ts';

const unknownId = '<missing>';

/** The steps that made an image, newest first. @throws EngineError not-found, invalid */
export async function imageHistory(
  context: ImageContext,
  nameOrId: string,
  options: { readonly platform?: string },
): Promise<ImageHistoryItem[]> {
  const { image } = findImage(context.catalog, nameOrId);
  const variant = chooseVariant(image, context.host, options.platform, nameOrId);
  const config = await context.configs(variant.config.digest);
  let layer = 0;
  const items = config.history.map((entry): ImageHistoryItem => {
    const diffId = entry.empty_layer === true ? undefined : config.rootfs.diff_ids[layer++];
    return {
      Id: unknownId,
      Created: unixSeconds(entry.created),
      CreatedBy: entry.created_by ?? '',
      Tags: null,
      Size: diffId === undefined ? 0 : context.content.layerSize(diffId),
      Comment: entry.comment ?? '',
    };
  });
  // Layers that the history does not tell about are shown all the same.
  for (; layer < config.rootfs.diff_ids.length; layer++) {
    const diffId = config.rootfs.diff_ids[layer];
    const size = diffId === undefined ? 0 : context.content.layerSize(diffId);
    items.push({
      Id: unknownId,
      Created: unixSeconds(config.created),
      CreatedBy: '',
      Tags: null,
      Size: size,
      Comment: '',
    });
  }
  items.reverse();
  const newest = items[0];
  if (newest !== undefined) {
    newest.Id = image.id;
    newest.Tags = repoTags(context.catalog.namesOf(image.id));
  }
  return items;
}
