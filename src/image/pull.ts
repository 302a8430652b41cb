import { EngineError, invalid } from '../base/errors.ts';
import type { ProgressSink } from '../spec/engine/progress.ts';
import type { Descriptor, ImageIndex, ImageManifest, Platform } from '../spec/oci/image.ts';
import { largestDocument } from '../spec/oci/json.ts';
import { isManifestType, parseManifestDocument } from '../spec/oci/manifest.ts';
import { bestForPlatform, formatPlatform, parsePlatform, platformDistance } from '../spec/oci/platform.ts';
import {
  familiarName,
  familiarReference,
  parseReference,
  parseTag,
  type Reference,
  withDefaultTag,
} from '../spec/reference/reference.ts';
import { tryDigest } from '../base/ids.ts';
import { readAll } from '../base/stream.ts';
import type { RemoteRepository } from '../registry/client/client.ts';
import type { ContentOperation } from './content.ts';
import type { ImageContext } from './context.ts';
import { imageEvent } from './event.ts';
import { fetchLayers, type Transfers } from './fetch-layers.ts';
import { storeImage } from './store-image.ts';
import { isAttestation, makeVariant } from './variant.ts';

/** Opens a repository of a registry; credentials were given with the request. */
export type OpenRepository = (reference: Reference) => RemoteRepository;

export interface PullOptions {
  readonly platform?: string;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}

/**
 * The name that `reference` and `tag` of a pull request make: a digest, given in either place, decides alone.
 * @throws EngineError `invalid`
 */
export function nameToPull(text: string, tag: string | undefined): Reference {
  const { tag: inner, digest, ...repository } = parseReference(text);
  const given = tag === undefined || tag === '' ? undefined : tag;
  const pinned = (given === undefined ? undefined : tryDigest(given)) ?? digest;
  if (pinned !== undefined) return { ...repository, digest: pinned };
  if (given !== undefined) return { ...repository, tag: parseTag(given) };
  return withDefaultTag(inner === undefined ? repository : { ...repository, tag: inner });
}

/**
 * Downloads an image by tag or digest: the manifest for one platform, its configuration and layers, all verified.
 * Nothing is named before everything is there; after a failure everything but interrupted downloads is gone again.
 * @throws EngineError in Docker's words
 */
export async function pullImage(
  context: ImageContext,
  transfers: Transfers,
  open: OpenRepository,
  reference: Reference,
  options: PullOptions,
): Promise<void> {
  const { progress, signal } = options;
  const remote = open(reference);
  const shown = familiarReference(reference);
  const content = context.content.begin();
  let done = false;
  try {
    const { descriptor: target, bytes } = await remote.manifest(reference, signal);
    progress({ status: `Pulling from ${reference.path}`, id: reference.tag ?? String(reference.digest) });
    const root = await storeDocument(content, target, bytes);
    const wanted = options.platform ? parsePlatform(options.platform, context.host) : undefined;
    const child = root.kind === 'index' ? chooseManifest(root.index, wanted ?? context.host) : undefined;
    const { descriptor, manifest } =
      root.kind === 'manifest'
        ? { descriptor: target, manifest: root.manifest }
        : await fetchChild(context, content, remote, reference, child as Descriptor, signal);
    const blobs = [target, descriptor, manifest.config, ...manifest.layers];
    const configBytes = await fetchSmall(context, content, remote, manifest.config, signal);
    const { variant } = makeVariant(descriptor, manifest, configBytes);
    checkPlatform(wanted, variant.platform, shown);
    await fetchLayers(content, transfers, remote, variant.layers, progress, signal);
    const { upToDate } = await storeImage(
      context,
      { target: typed(target, root), variants: [variant], blobs },
      [reference],
      async (image) => [await imageEvent(context, 'pull', image, { actor: shown, name: familiarName(reference) })],
    );
    done = true;
    progress({ status: `Digest: ${target.digest}` });
    progress({
      status: upToDate ? `Status: Image is up to date for ${shown}` : `Status: Downloaded newer image for ${shown}`,
    });
  } finally {
    content.end();
    if (!done) await context.content.collect();
  }
}

type Document =
  | { kind: 'manifest'; mediaType: string; manifest: ImageManifest }
  | { kind: 'index'; mediaType: string; index: ImageIndex };

const typed = (target: Descriptor, { mediaType }: Document): Descriptor => ({ ...target, mediaType });

async function storeDocument(content: ContentOperation, descriptor: Descriptor, bytes: Uint8Array): Promise<Document> {
  const document = parseManifestDocument(bytes, descriptor.mediaType);
  await content.putBlob(bytes, descriptor.digest);
  return document;
}

function chooseManifest(index: ImageIndex, wanted: Platform): Descriptor {
  const candidates = index.manifests.filter((entry) => isManifestType(entry.mediaType) && !isAttestation(entry));
  const best = bestForPlatform(wanted, candidates, ({ platform }) => platform);
  // An index of one image that does not say what it is for is taken at its word: the config tells.
  const only = candidates.length === 1 && candidates[0]?.platform === undefined ? candidates[0] : undefined;
  const chosen = best ?? only;
  if (chosen !== undefined) return chosen;
  throw new EngineError('not-found', `no matching manifest for ${formatPlatform(wanted)} in the manifest list entries`);
}

async function fetchChild(
  context: ImageContext,
  content: ContentOperation,
  remote: RemoteRepository,
  reference: Reference,
  descriptor: Descriptor,
  signal: AbortSignal,
): Promise<{ descriptor: Descriptor; manifest: ImageManifest }> {
  const { digest, size, mediaType } = descriptor;
  const { domain, path } = reference;
  const stored = (await content.blobSize(digest)) !== undefined;
  const bytes = stored
    ? await context.content.readBlob(digest, largestDocument)
    : (await remote.manifest({ domain, path, digest }, signal)).bytes;
  if (bytes.length !== size)
    throw new EngineError('corrupt', `manifest ${digest} has ${bytes.length} bytes, not ${size}`);
  const document = await storeDocument(content, { mediaType, digest, size }, bytes);
  if (document.kind !== 'manifest') throw invalid(`manifest ${digest} is an index inside an index`);
  return { descriptor, manifest: document.manifest };
}

/** A configuration: from the store, else from the registry, verified as it is stored. */
async function fetchSmall(
  context: ImageContext,
  content: ContentOperation,
  remote: RemoteRepository,
  descriptor: Descriptor,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { digest, size } = descriptor;
  if (size > largestDocument)
    throw invalid(`image config ${digest} is larger than the allowed ${largestDocument} bytes`);
  if ((await content.blobSize(digest)) === undefined) {
    const bytes = await readAll(remote.blob(descriptor, { signal }), largestDocument, 'image config');
    if (bytes.length !== size) throw new EngineError('corrupt', `image config ${digest} has the wrong size`);
    await content.putBlob(bytes, digest);
  }
  return context.content.readBlob(digest, largestDocument);
}

/** A single manifest answers every request: whoever asked for a platform must not get another one. */
function checkPlatform(wanted: Platform | undefined, actual: Platform, shown: string): void {
  if (wanted === undefined || platformDistance(wanted, actual) !== undefined) return;
  throw new EngineError(
    'not-found',
    `image with reference ${shown} was found but its platform (${formatPlatform(actual)}) does not match the specified platform (${formatPlatform(wanted)})`,
  );
}
