import { conflict, notFound } from '../base/errors.ts';
import type { ImageMountView } from '../spec/engine/image-mount.ts';
import { formatPlatform, parsePlatform, platformDistance } from '../spec/oci/platform.ts';
import { familiarReference } from '../spec/reference/reference.ts';
import type { ImageContext } from './context.ts';
import { imageEvent } from './event.ts';
import type { MountedImage } from './mounted.ts';
import { findImage, resolveImage } from './resolve.ts';

/**
 * Mounts the file system of an image on the host, read-only, at a path of the engine's own; mounted again it has the same
 * path, and must be unmounted as often. @throws EngineError not-found, invalid
 */
export async function mountImage(
  context: ImageContext,
  nameOrId: string,
  { platform }: { readonly platform?: string },
): Promise<ImageMountView> {
  const found = await resolveImage(context, nameOrId, platform);
  const { digest: manifest } = found.manifest;
  const wanted = { image: found.id, manifest, platform: formatPlatform(found.platform), layers: found.layers };
  // One after the other with removals: none of them has decided yet when the mount is noted.
  return context.catalog.exclusive(async () => {
    const image = context.catalog.image(found.id);
    if (image === undefined) throw notFound(`No such image: ${nameOrId}`);
    const mounted = await context.mounted.add(wanted, await imageEvent(context, 'mount', image, {}));
    context.uses.note(image.id);
    return viewOf(context, mounted);
  });
}

/** Unmounts it, once; by force altogether, and also while processes are in there. @throws not-found; conflict for those */
export async function unmountImage(
  context: ImageContext,
  nameOrId: string,
  { platform, force }: { readonly platform?: string; readonly force: boolean },
): Promise<void> {
  const { image } = findImage(context.catalog, nameOrId);
  const wanted = platform === undefined ? undefined : parsePlatform(platform, context.host);
  const chosen = context.mounted
    .list()
    .filter((one) => one.image === image.id)
    .filter((one) => wanted === undefined || platformDistance(wanted, parsePlatform(one.platform, context.host)) === 0);
  const [first, second] = chosen;
  if (first === undefined) throw notFound(`image ${nameOrId} is not mounted`);
  if (second !== undefined && !force) {
    throw conflict(
      `image ${nameOrId} is mounted for several platforms: ${chosen.map((one) => one.platform).join(', ')}`,
    );
  }
  const event = await imageEvent(context, 'unmount', image, {});
  for (const mounted of chosen) await context.mounted.remove(mounted, force, event);
}

/** All images that are mounted. */
export const listMounts = (context: ImageContext): ImageMountView[] =>
  context.mounted.list().map((mounted) => viewOf(context, mounted));

const viewOf = (
  { catalog }: ImageContext,
  { image, platform, path, count }: MountedImage & { readonly path: string },
): ImageMountView => ({
  Id: image,
  RepoTags: catalog
    .namesOf(image)
    .flatMap(({ reference }) => (reference.tag === undefined ? [] : familiarReference(reference))),
  Platform: platform,
  Path: path,
  Count: count,
});
