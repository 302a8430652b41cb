import type { Digest } from '../base/ids.ts';
import { familiarName, familiarReference } from '../spec/reference/reference.ts';
import type { ImageContext } from './context.ts';
import type { ImageName, ImageVariant, StoredImage } from './records.ts';

/** `name:tag` of every tag, in the order they were given. */
export const repoTags = (names: readonly ImageName[]): string[] =>
  names.filter(({ reference }) => reference.tag !== undefined).map(({ reference }) => familiarReference(reference));

/** `name@sha256:...`, once for each repository. */
export const repoDigests = (names: readonly ImageName[], id: Digest): string[] => [
  ...new Set(names.map(({ reference }) => `${familiarName(reference)}@${id}`)),
];

/** Bytes of all blobs of an image. */
export const contentSize = (image: StoredImage): number => image.blobs.reduce((sum, { size }) => sum + size, 0);

/** Bytes on disk of everything an image has, blobs and unpacked layers, each under a key of its own. */
export const contentSizes = (context: ImageContext, image: StoredImage): Map<string, number> =>
  new Map([
    ...image.blobs.map(({ digest, size }) => [`blob ${digest}`, size] as const),
    ...image.variants.flatMap(({ layers }) =>
      layers.map(({ diffId }) => [`layer ${diffId}`, context.content.layerSize(diffId)] as const),
    ),
  ]);

/** Bytes on disk of the unpacked layers, each counted once. */
export function unpackedSize(context: ImageContext, variants: readonly ImageVariant[]): number {
  const layers = new Set(variants.flatMap((variant) => variant.layers.map(({ diffId }) => diffId)));
  let size = 0;
  for (const diffId of layers) size += context.content.layerSize(diffId);
  return size;
}

/** What an image takes on disk: the blobs as they came, and the layers they unpack to. */
export const imageSize = (context: ImageContext, image: StoredImage): number =>
  contentSize(image) + unpackedSize(context, image.variants);

/** Unix seconds of an RFC 3339 time; 0 for none or a broken one. */
export function unixSeconds(time: string | undefined): number {
  const millis = Date.parse(time ?? '');
  return Number.isNaN(millis) ? 0 : Math.floor(millis / 1000);
}
