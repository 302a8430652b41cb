import { messageOf } from '../base/errors.ts';
import { tryDigest } from '../base/ids.ts';
import type { ImageIdentity, ImageLayerView, ImageManifestSummary } from '../spec/engine/image.ts';
import type { Descriptor, ImageManifest } from '../spec/oci/image.ts';
import { largestDocument } from '../spec/oci/json.ts';
import { isIndexType, isManifestType, layerCompression, parseManifestDocument } from '../spec/oci/manifest.ts';
import type { ImageContext } from './context.ts';
import type { ImageVariant, StoredImage } from './records.ts';
import { attestedDigest, isAttestation } from './variant.ts';
import { unpackedSize } from './view.ts';

/** A manifest that an image refers to, whether it is here or not. */
interface ReachableManifest {
  readonly descriptor: Descriptor;
  /** When containers can be made from it. */
  readonly variant?: ImageVariant;
  /** Of what is no variant: its document, when that is here. */
  readonly manifest?: ImageManifest;
}

/** Bytes of documents of one image that are read for one request: many times what any builder writes. */
const mostDocuments = 2 * largestDocument;

/**
 * The manifests of an image in the order of its index, those that are not here as well. What cannot be read is logged
 * and left out: an image with damage is listed all the same.
 */
export async function reachableManifests(
  context: ImageContext,
  image: StoredImage,
): Promise<readonly ReachableManifest[]> {
  const here = new Map(image.blobs.map(({ digest, size }) => [digest, size]));
  const manifests: ReachableManifest[] = [];
  let left = mostDocuments;
  for (const descriptor of await entriesOf(context, image)) {
    if (!isManifestType(descriptor.mediaType)) continue;
    const variant = image.variants.find(({ manifest }) => manifest.digest === descriptor.digest);
    const size = variant === undefined ? here.get(descriptor.digest) : undefined;
    const isRead = size !== undefined && size <= left;
    if (isRead) left -= size;
    const manifest = isRead ? await readManifest(context, descriptor) : undefined;
    manifests.push({
      descriptor,
      ...(variant === undefined ? {} : { variant }),
      ...(manifest === undefined ? {} : { manifest }),
    });
  }
  return manifests;
}

async function entriesOf(context: ImageContext, image: StoredImage): Promise<readonly Descriptor[]> {
  if (!isIndexType(image.target.mediaType)) return [image.target];
  const document = await readDocument(context, image.target);
  if (document?.kind === 'index') return document.index.manifests;
  return image.variants.map(({ manifest }) => manifest);
}

async function readManifest(context: ImageContext, descriptor: Descriptor): Promise<ImageManifest | undefined> {
  const document = await readDocument(context, descriptor);
  return document?.kind === 'manifest' ? document.manifest : undefined;
}

async function readDocument({ content, log }: ImageContext, { digest, mediaType }: Descriptor) {
  try {
    return parseManifestDocument(await content.readBlob(digest, largestDocument), mediaType);
  } catch (error) {
    log.warn('a document of an image cannot be read', { digest, error: messageOf(error) });
    return undefined;
  }
}

/** The manifests of an image as `manifests` of the API lists them: images, attestations, and what is neither. */
export async function manifestSummaries(
  context: ImageContext,
  image: StoredImage,
  options: { readonly identity?: boolean; readonly layers?: boolean } = {},
): Promise<ImageManifestSummary[]> {
  const sizes = new Map(image.blobs.map(({ digest, size }) => [digest, size]));
  const identity = options.identity === true ? imageIdentity(image) : undefined;
  return (await reachableManifests(context, image)).map(({ descriptor, variant, manifest }) => {
    const parts = variant === undefined ? partsOf(manifest) : variantParts(variant);
    const present = new Set([descriptor, ...parts].map(({ digest }) => digest).filter((digest) => sizes.has(digest)));
    let content = 0;
    for (const digest of present) content += sizes.get(digest) ?? 0;
    const isComplete = variant !== undefined || manifest !== undefined;
    const common = {
      ID: descriptor.digest,
      Descriptor: descriptor,
      Available: isComplete && parts.every(({ digest }) => present.has(digest)),
    };
    const kind = kindOf(descriptor, manifest);
    if (kind !== 'image') {
      const about = kind === 'attestation' ? tryDigest(attestedDigest(descriptor) ?? '') : undefined;
      return {
        ...common,
        Kind: kind,
        Size: { Content: content, Total: content },
        ...(about === undefined ? {} : { AttestationData: { For: about } }),
      };
    }
    const unpacked = variant === undefined ? 0 : unpackedSize(context, [variant]);
    return {
      ...common,
      Kind: 'image',
      Size: { Content: content, Total: content + unpacked },
      ImageData: {
        Platform: { ...(descriptor.platform ?? variant?.platform ?? { os: '', architecture: '' }) },
        Containers: [...context.users.ofManifest(image.id, descriptor.digest)],
        Size: { Unpacked: unpacked },
        ...(identity === undefined || variant === undefined ? {} : { Identity: identity }),
        ...(options.layers === true && variant !== undefined ? { Layers: layerViews(context, variant) } : {}),
      },
    };
  });
}

const layerViews = ({ content }: ImageContext, { layers }: ImageVariant): ImageLayerView[] =>
  layers.map(({ blob, diffId }) => ({
    Digest: blob.digest,
    DiffID: diffId,
    Size: { Content: blob.size, Unpacked: content.layerSize(diffId) },
  }));

const variantParts = ({ config, layers }: ImageVariant): Descriptor[] => [config, ...layers.map(({ blob }) => blob)];
const partsOf = (manifest: ImageManifest | undefined): Descriptor[] =>
  manifest === undefined ? [] : [manifest.config, ...manifest.layers];

/** Docker's rule: what has layers, none of which can be unpacked, only looks like an image. */
function kindOf(descriptor: Descriptor, manifest: ImageManifest | undefined): ImageManifestSummary['Kind'] {
  if (isAttestation(descriptor)) return tryDigest(attestedDigest(descriptor) ?? '') ? 'attestation' : 'unknown';
  if (manifest === undefined || manifest.layers.length === 0) return 'image';
  return manifest.layers.some(({ mediaType }) => layerCompression(mediaType) !== undefined) ? 'image' : 'unknown';
}

/** Bytes on disk of one variant: its documents, its layers as they came and as they are unpacked. */
export function variantSize(context: ImageContext, variant: ImageVariant): number {
  const blobs = new Map([variant.manifest, ...variantParts(variant)].map(({ digest, size }) => [digest, size]));
  let size = unpackedSize(context, [variant]);
  for (const bytes of blobs.values()) size += bytes;
  return size;
}

/** Where an image came from and went to; undefined when no registry has to do with it. */
export const imageIdentity = ({ sources }: StoredImage): ImageIdentity | undefined =>
  sources.length === 0 ? undefined : { Pull: sources.map((Repository) => ({ Repository })) };
