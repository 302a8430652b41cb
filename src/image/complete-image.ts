import { EngineError } from '../base/errors.ts';
import type { Digest } from '../base/ids.ts';
import type { Descriptor } from '../spec/oci/image.ts';
import { largestDocument } from '../spec/oci/json.ts';
import { parseManifestDocument } from '../spec/oci/manifest.ts';
import type { ContentOperation } from './content.ts';
import type { ImageContext } from './context.ts';
import type { CompleteImage } from './store-image.ts';
import { isAttestation, makeVariant } from './variant.ts';

/**
 * An image as far as the store has it whole: of an index, those manifests of which nothing is missing. All of it is held
 * by `content`. @throws EngineError not-found, corrupt, invalid when nothing of it can be used
 */
export async function completeImage(
  context: ImageContext,
  content: ContentOperation,
  digest: Digest,
): Promise<CompleteImage> {
  const size = await sizeOf(content, digest);
  const bytes = await context.content.readBlob(digest, largestDocument);
  const document = parseManifestDocument(bytes);
  const target: Descriptor = { mediaType: document.mediaType, digest, size };
  if (document.kind === 'manifest') {
    const { variant, blobs } = await completeManifest(context, content, target, bytes);
    return { target, variants: [variant], blobs: [target, ...blobs], origin: undefined };
  }
  const image = { variants: [] as CompleteImage['variants'][number][], blobs: [target] };
  let missing = new EngineError('not-found', 'nothing of the index is in the store');
  for (const child of document.index.manifests) {
    try {
      const childBytes = await context.content.readBlob(child.digest, largestDocument);
      if (isAttestation(child)) {
        image.blobs.push(child, ...(await attestationParts(content, childBytes, child)));
        continue;
      }
      const { variant, blobs } = await completeManifest(context, content, child, childBytes);
      image.variants.push(variant);
      image.blobs.push(child, ...blobs);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      missing = error;
    }
  }
  if (image.variants.length === 0) throw missing;
  return { target, ...image, origin: undefined };
}

async function completeManifest(
  { content: reader }: ImageContext,
  content: ContentOperation,
  descriptor: Descriptor,
  bytes: Uint8Array,
): Promise<{ variant: CompleteImage['variants'][number]; blobs: readonly Descriptor[] }> {
  const document = parseManifestDocument(bytes, descriptor.mediaType);
  if (document.kind !== 'manifest') throw new EngineError('invalid', `${descriptor.digest} is no manifest`);
  const { config, layers } = document.manifest;
  for (const { digest, size } of [config, ...layers]) await sizeOf(content, digest, size);
  const { variant } = makeVariant(descriptor, document.manifest, await reader.readBlob(config.digest, largestDocument));
  for (const { diffId } of variant.layers) await content.hasLayer(diffId);
  return { variant, blobs: [config, ...layers] };
}

async function attestationParts(
  content: ContentOperation,
  bytes: Uint8Array,
  { mediaType }: Descriptor,
): Promise<readonly Descriptor[]> {
  const document = parseManifestDocument(bytes, mediaType);
  if (document.kind !== 'manifest') return [];
  const parts = [document.manifest.config, ...document.manifest.layers];
  for (const { digest, size } of parts) await sizeOf(content, digest, size);
  return parts;
}

async function sizeOf(content: ContentOperation, digest: Digest, expected?: number): Promise<number> {
  const size = await content.blobSize(digest);
  if (size !== undefined && (expected === undefined || size === expected)) return size;
  throw new EngineError('not-found', `blob ${digest} is not in the store`);
}
