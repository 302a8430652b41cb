import { formatTime } from '../base/clock.ts';
import { EngineError } from '../base/errors.ts';
import { digestOfHex } from '../base/ids.ts';
import type { CommittedImage, CommitImageRequest } from '../spec/contract/image.ts';
import { type Descriptor, type ImageConfig, type ImageManifest, mediaTypes } from '../spec/oci/image.ts';
import { familiarReference } from '../spec/reference/reference.ts';
import type { ContentOperation } from './content.ts';
import type { ImageContext } from './context.ts';
import { describeBytes, encodeDocument } from './document.ts';
import { imageEvent } from './event.ts';
import type { Transfers } from './fetch-layers.ts';
import type { ImageVariant, VariantLayer } from './records.ts';
import { storeImage } from './store-image.ts';
import { nameToGive } from './tag.ts';
import { admitOrigin } from './trust/admit.ts';
import { makeVariant } from './variant.ts';

/** The archive of no files at all: such a layer is left out, and the history says so. */
const emptyArchive = digestOfHex('5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef');

/**
 * Makes an image out of another one and one more layer. The layer's archive is kept as it is, as a blob: it is compressed
 * when somebody pushes or saves it. @throws conflict when the other image is gone, invalid for a wrong name.
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
    const layer = await storeLayer(content, transfers, request);
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

/** Unpacks the archive while it is written; undefined for an empty one. */
async function storeLayer(
  content: ContentOperation,
  { unpacks }: Transfers,
  { layer, signal }: CommitImageRequest,
): Promise<VariantLayer | undefined> {
  const abort = new AbortController();
  const either = AbortSignal.any([abort.signal, signal]);
  let unpacking: Promise<VariantLayer['diffId']> | undefined;
  try {
    const blob = await content.writeBlob(
      () => layer,
      {},
      (growing) => {
        unpacking = unpacks.run(() => content.unpack(growing, { signal: either }));
        unpacking.catch(() => undefined);
      },
    );
    const diffId = await (unpacking ?? content.unpack(blob.digest, { signal }));
    if (blob.digest === emptyArchive) return undefined;
    return { blob: { mediaType: mediaTypes.ociLayer, digest: blob.digest, size: blob.size }, diffId };
  } catch (error) {
    abort.abort();
    await unpacking?.catch(() => undefined);
    throw error;
  }
}

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
