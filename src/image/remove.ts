import { conflict, type EngineError, invalid, notFound } from '../base/errors.ts';
import { type Digest, hexOf } from '../base/ids.ts';
import type { EventInput } from '../spec/engine/event.ts';
import type { ImageDeleteItem } from '../spec/engine/image.ts';
import type { Descriptor } from '../spec/oci/image.ts';
import { isIndexType } from '../spec/oci/manifest.ts';
import { formatPlatform, parsePlatform, platformDistance } from '../spec/oci/platform.ts';
import { familiarReference, type Reference, sameRepository } from '../spec/reference/reference.ts';
import type { CatalogChange } from './catalog.ts';
import type { ImageContext } from './context.ts';
import { imageEvent } from './event.ts';
import type { ImageName, ImageVariant, StoredImage } from './records.ts';
import { findImage } from './resolve.ts';

const short = (id: string): string => id.slice(0, 12);
const shortId = (id: Digest): string => short(hexOf(id));

const refuse = (id: Digest, how: string, why: string): EngineError =>
  conflict(`conflict: unable to delete ${shortId(id)} (${how}) - ${why}`);
const usedBy = (state: 'running' | 'stopped', user: string): string =>
  `image is being used by ${state} container ${short(user)}`;

export interface RemoveOptions {
  readonly force: boolean;
  /** Leaves images without a name alone that the image was made from. */
  readonly noPrune?: boolean;
  /** Only the content of these. */
  readonly platforms?: readonly string[];
}

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
  options: RemoveOptions,
): Promise<ImageDeleteItem[]> {
  const { platforms = [], force, noPrune = false } = options;
  if (platforms.length > 0 && !force) {
    throw invalid('Content will be removed from all images referencing this variant. Use —-force to force delete.');
  }
  const { change, items } = await context.catalog.exclusive(async (commit) => {
    const planned = await (platforms.length > 0
      ? planPlatforms(context, nameOrId, platforms)
      : planRemoval(context, nameOrId, force));
    const all = noPrune ? planned : await withParents(context, planned);
    await commit(all.change);
    return all;
  });
  for (const id of change.deleteImages ?? []) context.uses.forget(id);
  if (change.deleteImages !== undefined || change.putImages !== undefined) await context.content.collect();
  return items;
}

/**
 * The images without a name that a deleted one was made from go with it, unless a container or another image stands on
 * them.
 */
async function withParents(context: ImageContext, removal: Removal): Promise<Removal> {
  const [first] = removal.change.deleteImages ?? [];
  if (first === undefined) return removal;
  const { catalog, users, mounted } = context;
  const children = new Map<Digest, number>();
  for (const { parent } of catalog.images()) {
    if (parent !== undefined) children.set(parent, (children.get(parent) ?? 0) + 1);
  }
  const parents: StoredImage[] = [];
  for (let child = catalog.image(first); child?.parent !== undefined; ) {
    const parent = catalog.image(child.parent);
    const isFree = parent !== undefined && users.of(parent.id).length === 0 && catalog.namesOf(parent.id).length === 0;
    if (!isFree || mounted.pathOf(parent.id) !== undefined || children.get(parent.id) !== 1 || parents.includes(parent))
      break;
    parents.push(parent);
    child = parent;
  }
  const removals = [removal];
  for (const parent of parents) removals.push(await planDelete(context, parent, []));
  return {
    change: {
      deleteNames: removals.flatMap(({ change }) => change.deleteNames ?? []),
      deleteImages: removals.flatMap(({ change }) => change.deleteImages ?? []),
      events: removals.flatMap(({ change }) => change.events ?? []),
    },
    items: removals.flatMap(({ items }) => items),
  };
}

/**
 * The content of some platforms goes, of this image alone; the image stays with its names. Of an image that has no index
 * nothing would be left: it goes whole.
 */
async function planPlatforms(context: ImageContext, nameOrId: string, platforms: readonly string[]): Promise<Removal> {
  const { image } = findImage(context.catalog, nameOrId);
  const gone = new Set(platforms.map((platform) => exactVariant(context, image, platform, nameOrId)));
  for (const { manifest } of gone) {
    const running = context.users.ofManifest(image.id, manifest.digest).find((user) => context.isRunning(user));
    if (running !== undefined) throw refuse(manifest.digest, 'cannot be forced', usedBy('running', running));
    refuseMounted(context, image.id, manifest.digest);
  }
  const variants = image.variants.filter((variant) => !gone.has(variant));
  if (!isIndexType(image.target.mediaType)) return planDelete(context, image, context.catalog.namesOf(image.id));
  const kept = new Set(variants.flatMap(blobsOf).map(({ digest }) => digest));
  const dropped = new Set([...gone].flatMap(blobsOf).map(({ digest }) => digest));
  const blobs = image.blobs.filter(({ digest }) => kept.has(digest) || !dropped.has(digest));
  return {
    change: { putImages: [{ ...image, variants, blobs }] },
    items: [...gone].map(({ manifest }) => ({ Deleted: manifest.digest })),
  };
}

const blobsOf = ({ manifest, config, layers }: ImageVariant): Descriptor[] => [
  manifest,
  config,
  ...layers.map(({ blob }) => blob),
];

/** Exactly the platform that is meant: nobody wants a similar one removed. */
function exactVariant(context: ImageContext, image: StoredImage, text: string, shown: string): ImageVariant {
  const wanted = parsePlatform(text, context.host);
  const found = image.variants.find(({ platform }) => platformDistance(wanted, platform) === 0);
  if (found !== undefined) return found;
  throw notFound(
    `failed to delete platform ${formatPlatform(wanted)} for image ${image.id}: image with reference ${shown} was found but does not provide the specified platform (${formatPlatform(wanted)})`,
  );
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
  const users = context.users.of(image.id);
  const running = users.find((user) => context.isRunning(user));
  if (running !== undefined) {
    throw refuse(image.id, 'cannot be forced', usedBy('running', running));
  }
  if (!force && !isSingle) {
    throw refuse(image.id, 'must be forced', 'image is referenced in multiple repositories');
  }
  if (!force && users[0] !== undefined) {
    throw refuse(image.id, 'must be forced', usedBy('stopped', users[0]));
  }
  return planDelete(context, image, names);
}

/** What is mounted on the host stays: unlike a stopped container, who looks into it would notice. */
function refuseMounted({ mounted }: ImageContext, id: Digest, manifest?: Digest): void {
  const path = mounted.pathOf(id, manifest);
  if (path !== undefined) throw refuse(manifest ?? id, 'cannot be forced', `image is mounted at ${path}`);
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
  refuseMounted(context, image.id);
  const references = names.map(({ reference }) => reference);
  const events = await untagEvents(context, image, names.length);
  events.push(await imageEvent(context, 'delete', image, {}));
  return {
    change: { deleteNames: references, deleteImages: [image.id], events },
    items: [...references.map((reference) => ({ Untagged: familiarReference(reference) })), { Deleted: image.id }],
  };
}
