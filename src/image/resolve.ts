import { EngineError, notFound } from '../base/errors.ts';
import { type Digest, type DiffId, hexOf } from '../base/ids.ts';
import type { ImageUser, RunnableImage } from '../spec/contract/image.ts';
import type { Platform } from '../spec/oci/image.ts';
import { bestForPlatform, formatPlatform, parsePlatform } from '../spec/oci/platform.ts';
import { parseImageName } from '../spec/reference/image-name.ts';
import { familiarReference, type Reference, sameRepository, withDefaultTag } from '../spec/reference/reference.ts';
import type { ImageCatalog } from './catalog.ts';
import type { ImageContext } from './context.ts';
import type { ImageName, ImageVariant, StoredImage } from './records.ts';
import { admitUse } from './trust/admit.ts';

/** An image, and the name by which it was found, when it was one. */
export interface FoundImage {
  readonly image: StoredImage;
  readonly name?: ImageName;
  /** What was asked for when it says a repository, but is no name of its own: `name@digest` of an image with tags. */
  readonly reference?: Reference;
}

/**
 * Finds an image by id, name, `name@digest` or unambiguous beginning of its id, in this order.
 * @throws EngineError not-found `No such image: ...`, invalid for what is no name
 */
export function findImage(catalog: ImageCatalog, nameOrId: string): FoundImage {
  const query = parseImageName(nameOrId);
  if (query.id !== undefined) {
    const image = catalog.image(query.id);
    if (image === undefined) throw notFound(`No such image: ${nameOrId}`);
    return { image };
  }
  const byName = query.reference === undefined ? undefined : findByReference(catalog, query.reference);
  if (byName !== undefined) return byName;
  if (query.idPrefix !== undefined) {
    const image = findByPrefix(catalog, query.idPrefix);
    if (image !== undefined) return { image };
  }
  throw notFound(
    `No such image: ${query.reference === undefined ? nameOrId : familiarReference(withDefaultTag(query.reference))}`,
  );
}

/** Every tag that images have in a repository, by tag. */
export const tagsOf = (catalog: ImageCatalog, repository: Reference): { image: StoredImage; reference: Reference }[] =>
  catalog
    .images()
    .flatMap((image) => catalog.namesOf(image.id).map(({ reference }) => ({ image, reference })))
    .filter(({ reference }) => reference.tag !== undefined && sameRepository(reference, repository))
    .sort((a, b) => ((a.reference.tag ?? '') < (b.reference.tag ?? '') ? -1 : 1));

/** The id of what `findImage` finds; undefined when there is none, or more than one. */
export function imageIdOf(catalog: ImageCatalog, nameOrId: string): Digest | undefined {
  try {
    return findImage(catalog, nameOrId).image.id;
  } catch (error) {
    if (error instanceof EngineError) return undefined;
    throw error;
  }
}

/** The id of an image one of whose variants has exactly these layers. */
export const imageOfLayers = (catalog: ImageCatalog, layers: readonly DiffId[]): Digest | undefined =>
  catalog
    .images()
    .find(({ variants }) =>
      variants.some(
        (variant) =>
          variant.layers.length === layers.length && variant.layers.every(({ diffId }, at) => diffId === layers[at]),
      ),
    )?.id;

function findByReference(catalog: ImageCatalog, reference: Reference): FoundImage | undefined {
  if (reference.digest === undefined) {
    const name = catalog.name(withDefaultTag(reference));
    const image = name === undefined ? undefined : catalog.image(name.target);
    return name === undefined || image === undefined ? undefined : { image, name };
  }
  // The digest decides, a tag beside it is only a comment; but the image must be known under this repository.
  const image = catalog.image(reference.digest);
  if (image === undefined) return undefined;
  const names = catalog.namesOf(image.id);
  const related = names.filter((name) => sameRepository(name.reference, reference));
  const exact = related.find((name) => name.reference.tag === undefined);
  if (exact !== undefined) return { image, name: exact };
  return related.length > 0 ? { image, reference } : undefined;
}

function findByPrefix(catalog: ImageCatalog, prefix: string): StoredImage | undefined {
  let found: StoredImage | undefined;
  for (const image of catalog.images()) {
    if (!hexOf(image.id).startsWith(prefix)) continue;
    if (found !== undefined) throw new EngineError('invalid', `ambiguous image id prefix: ${prefix}`);
    found = image;
  }
  return found;
}

/**
 * The variant for a wanted platform; without a wish the best one for this host, else whatever there is (a host can be
 * able to run foreign binaries). @throws EngineError not-found
 */
export function chooseVariant(
  image: StoredImage,
  host: Platform,
  platform: string | undefined,
  shownName: string,
): ImageVariant {
  const wanted = platform === undefined || platform === '' ? undefined : parsePlatform(platform, host);
  const best = bestForPlatform(wanted ?? host, image.variants, (variant) => variant.platform);
  const variant = best ?? (wanted === undefined ? image.variants[0] : undefined);
  if (variant !== undefined) return variant;
  if (wanted === undefined) throw notFound(`image ${shownName} has nothing that can be run`);
  const only = image.variants[0];
  if (image.variants.length === 1 && only !== undefined) {
    throw notFound(
      `image with reference ${shownName} was found but its platform (${formatPlatform(only.platform)}) does not match the specified platform (${formatPlatform(wanted)})`,
    );
  }
  throw notFound(
    `image with reference ${shownName} was found but does not provide the specified platform (${formatPlatform(wanted)})`,
  );
}

/**
 * The image as a container is made from it. A layer that was damaged and set aside is unpacked anew.
 * @throws EngineError not-found; `forbidden` for what the trust policy of now does not admit
 */
export async function resolveImage(
  context: ImageContext,
  nameOrId: string,
  platform?: string,
  user?: ImageUser,
): Promise<RunnableImage> {
  const choose = () => {
    const { image } = findImage(context.catalog, nameOrId);
    return { image, variant: chooseVariant(image, context.host, platform, nameOrId) };
  };
  if (user === undefined) return runnable(context, choose(), nameOrId);
  // Not while somebody removes images: who has looked for users does not look again.
  const chosen = await context.catalog.exclusive(async () => {
    const { image, variant } = choose();
    context.users.retain(image.id, user.id, user.runs ? variant.manifest.digest : undefined);
    return { image, variant };
  });
  try {
    return await runnable(context, chosen, nameOrId);
  } catch (error) {
    releaseImage(context, chosen.image.id, user.id);
    throw error;
  }
}

/** The user does not need the image any more. */
export function releaseImage({ users, uses, catalog, content }: ImageContext, id: Digest, user: string): void {
  const unused = users.release(id, user);
  if (catalog.image(id) !== undefined) uses.note(id);
  // The image went by force while containers stood on its layers: this was the last of them.
  else if (unused) void content.collect();
}

async function runnable(
  context: ImageContext,
  { image, variant }: { readonly image: StoredImage; readonly variant: ImageVariant },
  nameOrId: string,
): Promise<RunnableImage> {
  await admitUse(context, image, variant.manifest.digest, nameOrId);
  await restoreLayers(context, variant);
  return {
    id: image.id,
    manifest: variant.manifest,
    platform: variant.platform,
    config: await context.configs(variant.config.digest),
    layers: variant.layers.map(({ diffId }) => diffId),
  };
}

async function restoreLayers({ content, log }: ImageContext, { layers }: ImageVariant): Promise<void> {
  const missing = layers.filter(({ diffId }) => !content.hasLayer(diffId));
  if (missing.length === 0) return;
  const operation = content.begin();
  try {
    for (const { blob, diffId } of missing) {
      log.warn('a layer is missing and is unpacked again', { layer: diffId, blob: blob.digest });
      await operation.unpack(blob.digest, { expected: diffId });
    }
  } finally {
    operation.end();
  }
}
