import { EngineError, invalid, notFound } from '../base/errors.ts';
import type { Digest, DiffId } from '../base/ids.ts';
import type { ByteStream } from '../base/stream.ts';
import type { ImageOrigin } from '../spec/contract/trust.ts';
import type { ProgressSink } from '../spec/engine/progress.ts';
import type { Descriptor, Platform } from '../spec/oci/image.ts';
import { largestDocument } from '../spec/oci/json.ts';
import { isIndexType, isManifestType, parseManifestDocument } from '../spec/oci/manifest.ts';
import { formatPlatform, parsePlatform, platformDistance } from '../spec/oci/platform.ts';
import { familiarReference } from '../spec/reference/reference.ts';
import { type ArchiveBlob, type ImageArchive, readImageArchive, type Unpacker } from './archive.ts';
import {
  type ArchiveContents,
  blobsByDigest,
  documentOf,
  imagesOf,
  missingBlob,
  type OfferedImage,
} from './archive-images.ts';
import type { ContentOperation } from './content.ts';
import type { ImageContext } from './context.ts';
import { imageEvent } from './event.ts';
import type { Transfers } from './fetch-layers.ts';
import type { UnpackOptions } from './ports.ts';
import { shortDigest, tellProgress } from './progress.ts';
import type { ImageVariant } from './records.ts';
import { type CompleteImage, storeImage } from './store-image.ts';
import { admitLoad } from './trust/admit.ts';
import { isAttestation, makeVariant } from './variant.ts';

export interface LoadOptions {
  readonly quiet: boolean;
  /** Only these; empty for all that the archive has. */
  readonly platforms: readonly string[];
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}

/**
 * Loads all images of an archive: `docker save` of any age since 1.10, or an OCI layout, in one pass over the stream.
 * Layers are unpacked by workers while the rest of the archive is still coming in.
 * @throws EngineError, `forbidden` for what the trust policy does not admit; then no image was named, and what was
 * stored for them is deleted again
 */
export async function loadImages(
  context: ImageContext,
  transfers: Transfers,
  body: ByteStream,
  options: LoadOptions,
): Promise<void> {
  const content = context.content.begin();
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const unpacking = new Set<Promise<unknown>>();
  const unpacker = createUnpacker(context, transfers, content, unpacking, options, signal);
  try {
    const archive = await readImageArchive(body, content, unpacker, signal);
    const contents = imagesOf(archive);
    if (contents.images.length === 0) throw invalid('invalid archive: it holds no image');
    const wanted = options.platforms.map((platform) => parsePlatform(platform, context.host));
    const origin: ImageOrigin = {
      transport: archive.documents.has('manifest.json') ? 'docker-archive' : 'oci-archive',
    };
    for (const { target } of contents.images) await admitLoad(context, origin, target.digest);
    const source = { context, archive, contents, blobs: blobsByDigest(archive), content, unpacker, wanted, origin };
    for (const offered of contents.images) {
      const { references } = offered;
      const complete = await completeImage(source, offered);
      const { moved, image } = await storeImage(context, complete, references, async (stored) => [
        await imageEvent(context, 'load', stored, {}),
      ]);
      for (const { name, from } of moved) {
        options.progress({
          stream: `The image ${name} already exists, renaming the old one with ID ${from} to empty string\n`,
        });
      }
      for (const reference of references)
        options.progress({ stream: `Loaded image: ${familiarReference(reference)}\n` });
      if (references.length === 0) options.progress({ stream: `Loaded image ID: ${image.id}\n` });
    }
  } catch (error) {
    failed.abort(error);
    throw error;
  } finally {
    // Also what no image needed: a layer that is still being written would outlive its lease.
    failed.abort();
    await Promise.allSettled(unpacking);
    content.end();
    await context.content.collect();
  }
}

/** Everything that is begun is in `unpacking`, until the signal ends it. */
function createUnpacker(
  { catalog }: ImageContext,
  { unpacks }: Transfers,
  content: ContentOperation,
  unpacking: Set<Promise<unknown>>,
  { quiet, progress }: LoadOptions,
  signal: AbortSignal,
): Unpacker {
  const ofStored = new Map<Digest, Promise<DiffId>>();
  const run = (size: number, id: string, work: (options: UnpackOptions) => Promise<DiffId>): Promise<DiffId> => {
    const onProgress = quiet ? {} : { onProgress: tellProgress(progress, 'Loading layer', id, size) };
    const task = unpacks.run(() => work({ signal, ...onProgress }));
    unpacking.add(task);
    return task;
  };
  return {
    ofGrowing: (file, size, label) => run(size, label, (options) => content.unpack(file, options)),
    ofBlob(digest, size) {
      let task = ofStored.get(digest);
      if (task === undefined) {
        task = run(size, shortDigest(digest), async (options) => {
          const known = catalog.diffIdOf(digest);
          if (known !== undefined && (await content.hasLayer(known))) return known;
          return content.unpack(digest, options);
        });
        ofStored.set(digest, task);
      }
      return task;
    },
  };
}

interface Source {
  readonly context: ImageContext;
  readonly archive: ImageArchive;
  readonly contents: ArchiveContents;
  readonly blobs: ReadonlyMap<Digest, ArchiveBlob>;
  readonly content: ContentOperation;
  readonly unpacker: Unpacker;
  readonly wanted: readonly Platform[];
  readonly origin: ImageOrigin;
}

/** Brings everything of one image into the store that the archive, or the store already, has. */
async function completeImage(source: Source, offered: OfferedImage): Promise<CompleteImage> {
  const { target } = offered;
  const bytes = await documentBytes(source, target);
  if (bytes === undefined) throw missingBlob(target.digest);
  const document = parseManifestDocument(bytes, target.mediaType);
  const typed = { ...target, mediaType: document.mediaType };
  const root = await storeDocument(source, typed, bytes);
  if (document.kind === 'manifest') {
    const { variant, blobs } = await completeManifest(source, typed, bytes);
    if (!isWanted(source, variant.platform)) throw noPlatform(source, offered, [variant.platform]);
    return { target: typed, variants: [variant], blobs: [root, ...blobs], origin: source.origin };
  }
  const variants: ImageVariant[] = [];
  const blobs: Descriptor[] = [root];
  let firstMissing: EngineError | undefined;
  for (const child of document.index.manifests) {
    if (isIndexType(child.mediaType)) throw invalid(`index ${child.digest} inside index ${target.digest}`);
    if (!isManifestType(child.mediaType)) continue;
    try {
      const part = await completeChild(source, child);
      if (part?.variant !== undefined) variants.push(part.variant);
      blobs.push(...(part?.blobs ?? []));
    } catch (error) {
      // Archives and stores need not have all platforms; wrong bytes are another matter.
      if (!(error instanceof EngineError) || error.code !== 'not-found') throw error;
      firstMissing ??= error;
    }
  }
  if (variants.length > 0) return { target: typed, variants, blobs, origin: source.origin };
  if (firstMissing === undefined || source.wanted.length === 0) {
    throw (
      firstMissing ??
      noPlatform(
        source,
        offered,
        document.index.manifests.flatMap(({ platform }) => platform ?? []),
      )
    );
  }
  const names = source.wanted.map(formatPlatform).join(', ');
  throw notFound(`requested platform(s) (${names}) found, but some content is missing: ${firstMissing.message}`);
}

/** For an image that has none of the wanted platforms, but others. */
function noPlatform({ wanted }: Source, { target, references }: OfferedImage, has: readonly Platform[]): EngineError {
  const [reference] = references;
  const name = reference === undefined ? target.digest : familiarReference(reference);
  const names = (platforms: readonly Platform[]): string => platforms.map(formatPlatform).join(', ');
  const offer = has.length === 0 ? '' : `: it has ${names(has)}`;
  return notFound(`image ${name} does not provide the requested platform(s) (${names(wanted)})${offer}`);
}

const isWanted = ({ wanted }: Source, platform: Platform): boolean =>
  wanted.length === 0 || wanted.some((wish) => platformDistance(wish, platform) === 0);

async function completeChild(
  source: Source,
  child: Descriptor,
): Promise<{ variant?: ImageVariant; blobs: Descriptor[] } | undefined> {
  if (child.platform !== undefined && !isAttestation(child) && !isWanted(source, child.platform)) return undefined;
  const bytes = await documentBytes(source, child);
  if (bytes === undefined) throw missingBlob(child.digest);
  const stored = await storeDocument(source, child, bytes);
  if (!isAttestation(child)) {
    const { variant, blobs } = await completeManifest(source, child, bytes);
    return { variant, blobs: [stored, ...blobs] };
  }
  // An attestation is kept as it is; nobody unpacks it.
  const document = parseManifestDocument(bytes, child.mediaType);
  if (document.kind !== 'manifest') return undefined;
  const parts = [document.manifest.config, ...document.manifest.layers];
  for (const part of parts) await ensureBlob(source, part);
  return { blobs: [stored, ...parts] };
}

async function completeManifest(
  source: Source,
  descriptor: Descriptor,
  bytes: Uint8Array,
): Promise<{ variant: ImageVariant; blobs: Descriptor[] }> {
  const document = parseManifestDocument(bytes, descriptor.mediaType);
  if (document.kind !== 'manifest') throw invalid(`${descriptor.digest} is no manifest`);
  const { manifest } = document;
  await ensureBlob(source, manifest.config);
  const configBytes = await source.context.content.readBlob(manifest.config.digest, largestDocument);
  const { variant } = makeVariant(descriptor, manifest, configBytes);
  for (const { blob } of variant.layers) await ensureBlob(source, blob);
  await Promise.all(variant.layers.map((layer) => ensureLayer(source, layer.blob, layer.diffId)));
  return { variant, blobs: [manifest.config, ...manifest.layers] };
}

/** A manifest or index: out of the archive, else out of the store. */
async function documentBytes(source: Source, { digest, size }: Descriptor): Promise<Uint8Array | undefined> {
  const bytes = documentOf(source.archive, source.contents, digest) ?? (await storedDocument(source, digest));
  if (bytes !== undefined && bytes.length !== size) throw wrongSize(digest, size, bytes.length);
  return bytes;
}

async function storedDocument({ context, content }: Source, digest: Digest): Promise<Uint8Array | undefined> {
  if ((await content.blobSize(digest)) === undefined) return undefined;
  return context.content.readBlob(digest, largestDocument);
}

const wrongSize = (digest: Digest, expected: number, actual: number): EngineError =>
  new EngineError('corrupt', `blob ${digest} has ${actual} bytes instead of ${expected}`);

async function storeDocument({ content }: Source, descriptor: Descriptor, bytes: Uint8Array): Promise<Descriptor> {
  await content.putBlob(bytes, descriptor.digest);
  return descriptor;
}

/** Makes sure that a blob is in the store, with the size its descriptor says. */
async function ensureBlob(source: Source, descriptor: Descriptor): Promise<void> {
  const { digest, size } = descriptor;
  const document = documentOf(source.archive, source.contents, digest);
  if (document !== undefined) {
    if (document.length !== size) throw wrongSize(digest, size, document.length);
    await storeDocument(source, descriptor, document);
    return;
  }
  const stored = await source.content.blobSize(digest);
  if (stored === undefined) throw missingBlob(digest);
  if (stored !== size) throw wrongSize(digest, size, stored);
}

/** Waits for a layer's unpacking, or starts it, and checks that it became what the configuration says. */
async function ensureLayer(source: Source, blob: Descriptor, expected: DiffId): Promise<void> {
  const begun = source.blobs.get(blob.digest)?.unpacked;
  if (begun === undefined && (await source.content.hasLayer(expected))) return;
  const diffId = await (begun ?? source.unpacker.ofBlob(blob.digest, blob.size));
  if (diffId !== expected) {
    throw new EngineError('corrupt', `invalid diffID for layer ${blob.digest}: expected ${expected}, got ${diffId}`);
  }
}
