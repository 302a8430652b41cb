import { invalid } from '../base/errors.ts';
import {
  familiarReference,
  parseReference,
  parseTag,
  type Reference,
  withDefaultTag,
} from '../spec/reference/reference.ts';
import type { ImageContext } from './context.ts';
import { imageEvent } from './event.ts';
import { findImage } from './resolve.ts';

/**
 * The name that `repository` and `tag` make together; a tag beside the repository wins over one inside it.
 * @throws EngineError `invalid`
 */
export function nameToGive(repository: string, tag: string): Reference {
  const reference = parseReference(repository);
  if (reference.digest !== undefined) throw invalid('refusing to create a tag with a digest reference');
  const named = tag === '' ? withDefaultTag(reference) : { ...reference, tag: parseTag(tag) };
  if (named.path === 'library/sha256') {
    throw invalid('refusing to create an ambiguous tag using digest algorithm as name');
  }
  return named;
}

/** Gives an image one more name; an image that had it before loses it. @throws EngineError not-found, invalid */
export async function tagImage(
  context: ImageContext,
  nameOrId: string,
  repository: string,
  tag: string,
): Promise<void> {
  const reference = nameToGive(repository, tag);
  await context.catalog.exclusive(async (commit) => {
    const { image } = findImage(context.catalog, nameOrId);
    const event = await imageEvent(context, 'tag', image, { name: familiarReference(reference) });
    const name = { reference, target: image.id, taggedNs: context.clock.nowNs() };
    await commit({ putNames: [name], events: [event] });
  });
}
