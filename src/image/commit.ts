import { formatTime } from '../base/clock.ts';
import { EngineError } from '../base/errors.ts';
import type { CommittedImage, CommitImageRequest } from '../spec/contract/image.ts';
import { type Descriptor, type ImageConfig, type ImageManifest, mediaTypes } from '../spec/oci/image.ts';
import { familiarReference } from '../spec/reference/reference.ts';
import type { ContentOperation } from './content.ts';
import type { ImageContext } from './context.ts';
import { describeBytes, encodeDocument } from './document.ts';
import { imageEvent } from './event.ts';
import type { Transfers } from './fetch-layers.ts';
import { emptyLayer, storeNewLayer } from './new-layer.ts';
import type { ImageVariant, VariantLayer } from './records.ts';
import { storeImage } from './store-image.ts';
import { nameToGive } from './tag.ts';
import { admitOrigin } from './trust/admit.ts';
import { makeVariant } from './variant.ts';

/**
 * Makes an image out of another one and one more layer; one of no files at all is left out, and the history says so.
 * @throws conflict when the other image is gone, invalid for a wrong name.
 */
export async function commitImage(
  context: ImageContext,
  transfers: Transfers,
  request: CommitImageRequest,
): Promise<CommittedImage> {
  const reference = request.repository === '' ? undefined : nameToGive(request.repository, request.tag);
  const origin = { transport: 'local' } as const;
  await admitOrigin(context, origin, reference === undefined ? 'of a container' : familiarReference(reference));
  const content = context.content.begin();
  try {
    const parent = await holdParent(context, content, request);
    const { layer: archive, compression = context.layerCompression, signal } = request;
    const made = await storeNewLayer(content, transfers, { archive, compression, signal });
    const layer = made.diffId === emptyLayer ? undefined : made;
    const { target, manifest, config, bytes } = describeImage(context, parent, layer, request);
    await content.putBlob(config, manifest.config.digest);
    await content.putBlob(bytes, target.digest);
    const { variant } = makeVariant(target, manifest, config);
    const blobs = [target, manifest.config, ...manifest.layers];
    const references = reference === undefined ? [] : [reference];
    const complete = { target, variants: [variant], blobs, parent: request.image, origin };
    await storeImage(context, complete, references, async (image) => [
      await imageEvent(context, 'create', image, {}),
      ...(reference === undefined
        ? []
        : [await imageEvent(context, 'tag', image, { name: familiarReference(reference) })]),
    ]);
    return { id: target.digest, name: reference === undefined ? '' : familiarReference(reference) };
  } finally {
    content.end();
    // An empty layer, or what a failure left.
    void context.content.collect();
  }
}

interface Parent {
  readonly variant: ImageVariant;
  readonly config: ImageConfig;
}

/** What the new image stands on must be there, and stay. */
async function holdParent(
  context: ImageContext,
  content: ContentOperation,
  { image: id, manifest }: CommitImageRequest,
): Promise<Parent> {
  const image = context.catalog.image(id);
  const variant = image?.variants.find((one) => one.manifest.digest === manifest);
  if (variant === undefined) throw parentIsGone(id);
  for (const { blob, diffId } of variant.layers) {
    if ((await content.blobSize(blob.digest)) === undefined) throw parentIsGone(id);
    await content.hasLayer(diffId);
  }
  return { variant, config: await context.configs(variant.config.digest) };
}

const parentIsGone = (id: string): EngineError =>
  new EngineError('conflict', `the image ${id} that the container was made from does not exist any more`);

function describeImage(
  context: ImageContext,
  { variant, config: parent }: Parent,
  layer: VariantLayer | undefined,
  { config: run, author, comment, createdBy }: CommitImageRequest,
): { target: Descriptor; manifest: ImageManifest; config: Uint8Array; bytes: Uint8Array } {
  const created = formatTime(context.clock.nowNs());
  const writer = author || parent.author;
  const layers = layer === undefined ? variant.layers : [...variant.layers, layer];
  const config = encodeDocument({
    created,
    ...(writer ? { author: writer } : {}),
    architecture: parent.architecture,
    os: parent.os,
    ...(parent.variant === undefined ? {} : { variant: parent.variant }),
    ...(parent['os.version'] === undefined ? {} : { 'os.version': parent['os.version'] }),
    config: run,
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: [
      ...parent.history,
      {
        created,
        created_by: createdBy,
        ...(writer ? { author: writer } : {}),
        ...(comment === '' ? {} : { comment }),
        ...(layer === undefined ? { empty_layer: true } : {}),
      },
    ],
  });
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: describeBytes(mediaTypes.ociConfig, config),
    layers: layers.map(({ blob }) => blob),
  };
  const bytes = encodeDocument(manifest);
  return { target: describeBytes(mediaTypes.ociManifest, bytes), manifest, config, bytes };
}
