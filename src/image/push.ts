import type { Semaphore } from '../base/async.ts';
import { conflict, EngineError, notFound } from '../base/errors.ts';
import type { PushTarget } from '../registry/client/client.ts';
import type { ProgressSink } from '../spec/engine/progress.ts';
import { type Descriptor, mediaTypes, type Platform } from '../spec/oci/image.ts';
import { largestDocument } from '../spec/oci/json.ts';
import { isIndexType, isManifestType, parseManifestDocument } from '../spec/oci/manifest.ts';
import { bestForPlatform, formatPlatform, parsePlatform, platformDistance } from '../spec/oci/platform.ts';
import {
  familiarName,
  familiarReference,
  parseReference,
  parseTag,
  type Reference,
  repositoryOf,
} from '../spec/reference/reference.ts';
import type { ContentOperation } from './content.ts';
import type { ImageContext } from './context.ts';
import { endReading } from './end-reading.ts';
import { imageEvent } from './event.ts';
import { shortDigest, tellProgress } from './progress.ts';
import type { StoredImage } from './records.ts';
import { tagsOf } from './resolve.ts';
import { withSource } from './store-image.ts';

export interface PushOptions {
  /** As the user wrote it. */
  readonly reference: string;
  /** Undefined, with none in the reference: all tags of the repository. */
  readonly tag?: string;
  readonly platform?: string;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}

/** What a push works with beside the images. */
export interface Pushing {
  readonly open: (repository: Reference) => PushTarget;
  /** Blobs under way, over all pushes together. */
  readonly uploads: Semaphore;
}

/**
 * Sends images to the repository that their names say: blobs first, then manifests, the tag last, all byte for byte as
 * they are stored; what the registry has is not sent. @throws EngineError in Docker's words
 */
export async function pushImages(context: ImageContext, pushing: Pushing, options: PushOptions): Promise<void> {
  const wanted = nameToPush(options.reference, options.tag);
  const { domain, path } = wanted;
  options.progress({ status: `The push refers to repository [${domain}/${path}]` });
  const target = pushing.open(repositoryOf(wanted));
  for (const reference of namesToPush(context, wanted)) {
    await pushOne(context, { ...pushing, target }, reference, options);
  }
}

/** @throws invalid */
function nameToPush(text: string, tag: string | undefined): Reference {
  const reference = parseReference(text);
  return tag === undefined ? reference : { ...repositoryOf(reference), tag: parseTag(tag) };
}

function namesToPush({ catalog }: ImageContext, wanted: Reference): Reference[] {
  if (wanted.tag !== undefined || wanted.digest !== undefined) return [wanted];
  const all = tagsOf(catalog, wanted).map(({ reference }) => reference);
  if (all.length === 0) throw notFound(`An image does not exist locally with the tag: ${familiarName(wanted)}`);
  return all;
}

interface OnePush extends Pushing {
  readonly target: PushTarget;
}

async function pushOne(
  context: ImageContext,
  pushing: OnePush,
  reference: Reference,
  options: PushOptions,
): Promise<void> {
  const { progress } = options;
  const named = context.catalog.name(reference)?.target ?? reference.digest;
  const image = named === undefined ? undefined : context.catalog.image(named);
  if (image === undefined) throw notFound(`tag does not exist: ${familiarReference(reference)}`);
  const content = context.content.begin();
  try {
    const chosen = await choose(context, content, image, reference, options.platform);
    await send(context, pushing, reference, chosen, options);
    const { digest, size } = chosen.descriptor;
    await notePush(context, image, reference);
    if (digest !== image.id && options.platform === undefined) {
      const { mediaType } = chosen.descriptor;
      const selectedManifest = { mediaType, digest, size };
      progress({ aux: { manifestPushedInsteadOfIndex: true, originalIndex: image.target, selectedManifest } });
    }
    if (reference.tag === undefined) return;
    progress({ status: `${reference.tag}: digest: ${digest} size: ${size}` });
    progress({ progressDetail: {}, aux: { Tag: reference.tag, Digest: digest, Size: size } });
  } finally {
    await endReading(context, content, [image]);
  }
}

/** The event, and where the image went. */
async function notePush(context: ImageContext, image: StoredImage, reference: Reference): Promise<void> {
  const about = { actor: familiarReference(reference), name: familiarName(reference) };
  const event = await imageEvent(context, 'push', image, about);
  await context.catalog.exclusive((commit) => {
    // It may have been removed while it was on its way.
    const now = context.catalog.image(image.id);
    const putImages = now === undefined ? [] : [{ ...now, sources: withSource(now.sources, reference) }];
    return commit({ putImages, events: [event] });
  });
}

/** A manifest or index with all that it refers to, everything of it in the store. */
interface Complete {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly blobs: readonly Descriptor[];
  readonly children: readonly Complete[];
}

/** Reads a manifest or index; undefined when something of it is not in the store. Everything found is held. */
async function complete(
  context: ImageContext,
  content: ContentOperation,
  descriptor: Descriptor,
): Promise<Complete | undefined> {
  if ((await content.blobSize(descriptor.digest)) === undefined) return undefined;
  const bytes = await context.content.readBlob(descriptor.digest, largestDocument);
  const document = parseManifestDocument(bytes, descriptor.mediaType);
  const blobs = document.kind === 'manifest' ? [document.manifest.config, ...document.manifest.layers] : [];
  for (const { digest } of blobs) if ((await content.blobSize(digest)) === undefined) return undefined;
  const children: Complete[] = [];
  for (const entry of document.kind === 'index' ? document.index.manifests : []) {
    // An index inside an index is nothing that the store takes in.
    const child = isIndexType(entry.mediaType) ? undefined : await complete(context, content, entry);
    if (child === undefined) return undefined;
    children.push(child);
  }
  return { descriptor: { ...descriptor, mediaType: document.mediaType }, bytes, blobs, children };
}

/** Docker's rules: all of an index where all is there, else the one manifest that is meant. */
async function choose(
  context: ImageContext,
  content: ContentOperation,
  image: StoredImage,
  reference: Reference,
  platform: string | undefined,
): Promise<Complete> {
  const shown = familiarReference(reference);
  const wanted = platform === undefined ? undefined : parsePlatform(platform, context.host);
  const whole = wanted === undefined ? await complete(context, content, image.target) : undefined;
  if (whole !== undefined) return whole;
  const present: { readonly platform: Platform; readonly found: Complete }[] = [];
  for (const variant of image.variants) {
    if (wanted !== undefined && platformDistance(wanted, variant.platform) !== 0) continue;
    const found = await complete(context, content, variant.manifest);
    if (found !== undefined) present.push({ platform: variant.platform, found });
  }
  const [first] = present;
  if (first === undefined) throw nothingFor(shown, wanted);
  if (present.length === 1) return first.found;
  if (wanted !== undefined) throw conflict(`multiple manifests found for platform ${formatPlatform(wanted)}`);
  const best = bestForPlatform(context.host, present, (one) => one.platform);
  if (best !== undefined) return best.found;
  throw conflict('multiple matching manifests found but no specific platform requested');
}

const nothingFor = (shown: string, wanted: Platform | undefined): EngineError =>
  notFound(
    wanted === undefined
      ? `content of ${shown} is missing in the store: pull it again before it can be pushed`
      : `image with reference ${shown} was found but does not provide the specified platform (${formatPlatform(wanted)})`,
  );

async function send(
  context: ImageContext,
  { target, uploads }: OnePush,
  reference: Reference,
  root: Complete,
  { progress, signal }: PushOptions,
): Promise<void> {
  const all = new Map([root, ...root.children].flatMap((one) => one.blobs).map((blob) => [blob.digest, blob]));
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const tasks = [...all.values()].map(async (blob) => {
    try {
      await sendBlob(context, { target, uploads }, reference, blob, { progress, signal: either });
    } catch (error) {
      // The first failure is the reason; those of the others follow from it.
      failed.abort(error);
    }
  });
  await Promise.all(tasks);
  failed.signal.throwIfAborted();
  context.sources.note(
    reference,
    [...all.values()].filter(isLayer).map(({ digest }) => digest),
  );
  for (const { descriptor, bytes } of root.children) await target.manifest(descriptor, { bytes, signal });
  const { descriptor, bytes } = root;
  await target.manifest(descriptor, {
    bytes,
    signal,
    ...(reference.tag === undefined ? {} : { tag: reference.tag }),
  });
}

async function sendBlob(
  context: ImageContext,
  { target, uploads }: Pick<OnePush, 'target' | 'uploads'>,
  reference: Reference,
  blob: Descriptor,
  { progress, signal }: Pick<PushOptions, 'progress' | 'signal'>,
): Promise<void> {
  const { digest, size } = blob;
  const id = shortDigest(digest);
  // Documents are small; only what takes time is shown.
  const isShown = isLayer(blob);
  const tell = (status: string): void => {
    if (isShown) progress({ status, progressDetail: {}, id });
  };
  tell('Preparing');
  if (uploads.isFull) tell('Waiting');
  await uploads.run(async () => {
    signal.throwIfAborted();
    const mountFrom = otherRepository(context, reference, blob);
    const note = size > mostSentTwice ? context.uploads.take(reference, digest) : undefined;
    const bar = tellProgress(progress, 'Pushing', id, size);
    try {
      const outcome = await target.blob(blob, {
        open: (from) => context.content.streamBlob(digest, size, from),
        mountFrom,
        note,
        sent: isShown ? bar : () => undefined,
        signal,
      });
      if (outcome === 'pushed' && mountFrom !== undefined) {
        context.sources.forget({ domain: reference.domain, path: mountFrom }, digest);
      }
      if (outcome === 'exists') tell('Layer already exists');
      else tell(outcome === 'mounted' ? `Mounted from ${mountFrom}` : 'Pushed');
    } finally {
      note?.release();
    }
  });
}

const isLayer = ({ mediaType }: Descriptor): boolean =>
  mediaType !== mediaTypes.ociConfig && mediaType !== mediaTypes.dockerConfig && !isManifestType(mediaType);

/** Bytes of a blob that are sent again without much ado: where its upload is is not worth a record. */
const mostSentTwice = 1 << 20;

/**
 * The path of another repository of the same registry that has the blob, by an earlier pull or push, or by the name of an
 * image with it.
 */
function otherRepository(
  { catalog, sources }: ImageContext,
  target: Reference,
  { digest }: Descriptor,
): string | undefined {
  const known = sources.find(target, digest);
  if (known !== undefined) return known;
  for (const image of catalog.images()) {
    if (!image.blobs.some((blob) => blob.digest === digest)) continue;
    const other = catalog
      .namesOf(image.id)
      .find(({ reference }) => reference.domain === target.domain && reference.path !== target.path);
    if (other !== undefined) return other.reference.path;
  }
  return undefined;
}
