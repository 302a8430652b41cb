import type { Digest } from '../base/ids.ts';
import type { EventInput } from '../spec/engine/event.ts';
import type { ImageContext } from './context.ts';
import type { StoredImage } from './records.ts';
import { chooseVariant } from './resolve.ts';

/** An event about an image, with the image's labels as attributes, as Docker does. */
export async function imageEvent(
  context: ImageContext,
  action: 'create' | 'pull' | 'push' | 'load' | 'save' | 'import' | 'tag' | 'untag' | 'delete' | 'mount' | 'unmount',
  image: StoredImage,
  about: { readonly actor?: string; readonly name?: string },
): Promise<EventInput> {
  const attributes: Record<string, string> = Object.create(null);
  if (image.variants.length > 0) {
    const { config } = chooseVariant(image, context.host, undefined, image.id);
    // An event must never fail because of a damaged image.
    const labels = await context.configs(config.digest).then(
      ({ config: run }) => run.Labels,
      () => undefined,
    );
    Object.assign(attributes, labels);
  }
  const id: Digest = image.id;
  attributes['name'] = about.name ?? id;
  return { type: 'image', action, actorId: about.actor ?? id, attributes };
}
