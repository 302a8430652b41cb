import { conflict, EngineError } from '../base/errors.ts';
import { type Digest, hexOf } from '../base/ids.ts';
import type { EventInput } from '../spec/engine/event.ts';
import type { ImageDeleteItem } from '../spec/engine/image.ts';
import { familiarReference, type Reference, sameRepository } from '../spec/reference/reference.ts';
import type { CatalogChange } from './catalog.ts';
import type { ImageContext } from './context.ts';
import { imageEvent } from './event.ts';
import type { ImageName, StoredImage } from './records.ts';
import { findImage } from './resolve.ts';

const short = (id: string): string => id.slice(0, 12);
const shortId = (id: Digest): string => short(hexOf(id));

interface Removal {
  readonly change: CatalogChange;
  readonly items: ImageDeleteItem[];
}

/**
 * Removes a name, and the image with its last name; an id removes the image with all its names. Docker's rules:
 * whatever would pull an image away from a container or from several names is a conflict unless it is forced, and a
 * running container's image never goes. @throws EngineError not-found, conflict
 */
export async function removeImage(
  context: ImageContext,
  nameOrId: string,
  options: { readonly force: boolean; readonly platforms?: readonly string[] },
): Promise<ImageDeleteItem[]> {
  if (options.platforms !== undefined && options.platforms.length > 0) {
    throw new EngineError('not-implemented', 'removing single platforms of an image is not supported yet');
  }
  const { change, items } = await context.catalog.exclusive(async (commit) => {
    const planned = await planRemoval(context, nameOrId, options.force);
    await commit(planned.change);
    return planned;
  });
  for (const id of change.deleteImages ?? []) context.uses.forget(id);
  if (change.deleteImages !== undefined) await context.content.collect();
  return items;
}

async function planRemoval(context: ImageContext, nameOrId: string, force: boolean): Promise<Removal> {
  const { image, name, reference = name?.reference } = findImage(context.catalog, nameOrId);
  const names = context.catalog.namesOf(image.id);
  if (reference === undefined) return planById(context, image, names, { force, isSingle: areOne(names) });
  const same = sameReferences(names, reference);
  if (same.length < names.length) return planUntag(context, image, same);
  if (name === undefined) return planById(context, image, names, { force, isSingle: true });
  const user = context.users.of(image.id)[0];
  if (user === undefined) return planDelete(context, image, same);
  if (force) {
    const { change, items } = await planUntag(context, image, [name]);
    return { change: { ...change, deleteNames: same.map((other) => other.reference) }, items };
  }
  throw conflict(
    `conflict: unable to remove repository reference "${familiarReference(name.reference)}" (must force) - container ${short(user)} is using its referenced image ${shortId(image.id)}`,
  );
}

/**
 * The names that go together with one, in Docker 29's rules: a digest means all of its repository; a tag takes the
 * digests of its repository along when it is the last tag there. Tags come first.
 */
function sameReferences(names: readonly ImageName[], wanted: Reference): ImageName[] {
  const related = names.filter(({ reference }) => sameRepository(reference, wanted));
  const tags = related.filter(({ reference }) => reference.tag !== undefined);
  const digests = related.filter(({ reference }) => reference.tag === undefined);
  if (wanted.digest !== undefined) return [...tags, ...digests];
  return tags.length > 1 ? tags.filter(({ reference }) => reference.tag === wanted.tag) : [...tags, ...digests];
}

/** All names are of one repository, and at most one is a tag: an id means them all. */
const areOne = (names: readonly ImageName[]): boolean =>
  names.filter(({ reference }) => reference.tag !== undefined).length <= 1 &&
  names.every(({ reference }) => names[0] !== undefined && sameRepository(reference, names[0].reference));

async function planById(
  context: ImageContext,
  image: StoredImage,
  names: readonly ImageName[],
  { force, isSingle }: { readonly force: boolean; readonly isSingle: boolean },
): Promise<Removal> {
  const refuse = (how: string, why: string) =>
    conflict(`conflict: unable to delete ${shortId(image.id)} (${how}) - ${why}`);
  const users = context.users.of(image.id);
  const running = users.find((user) => context.isRunning(user));
  if (running !== undefined) {
    throw refuse('cannot be forced', `image is being used by running container ${short(running)}`);
  }
  if (!force && !isSingle) {
    throw refuse('must be forced', 'image is referenced in multiple repositories');
  }
  if (!force && users[0] !== undefined) {
    throw refuse('must be forced', `image is being used by stopped container ${short(users[0])}`);
  }
  return planDelete(context, image, names);
}

const untagEvents = async (context: ImageContext, image: StoredImage, count: number): Promise<EventInput[]> =>
  count === 0 ? [] : Array<EventInput>(count).fill(await imageEvent(context, 'untag', image, {}));

async function planUntag(context: ImageContext, image: StoredImage, names: readonly ImageName[]): Promise<Removal> {
  const references = names.map(({ reference }) => reference);
  return {
    change: { deleteNames: references, events: await untagEvents(context, image, names.length) },
    items: references.map((reference) => ({ Untagged: familiarReference(reference) })),
  };
}

/** Takes the image and all its names away; used by `prune`, too. */
export async function planDelete(
  context: ImageContext,
  image: StoredImage,
  names: readonly ImageName[],
): Promise<Removal> {
  const references = names.map(({ reference }) => reference);
  const events = await untagEvents(context, image, names.length);
  events.push(await imageEvent(context, 'delete', image, {}));
  return {
    change: { deleteNames: references, deleteImages: [image.id], events },
    items: [...references.map((reference) => ({ Untagged: familiarReference(reference) })), { Deleted: image.id }],
  };
}
