import { EngineError, invalid } from '../base/errors.ts';
import type { Digest } from '../base/ids.ts';
import { tryDigest } from '../base/ids.ts';
import { readAll } from '../base/stream.ts';
import type { RemoteRepository } from '../registry/client/client.ts';
import type { ProgressSink } from '../spec/engine/progress.ts';
import type { Descriptor, Platform } from '../spec/oci/image.ts';
import { largestDocument } from '../spec/oci/json.ts';
import type { ManifestDocument } from '../spec/oci/manifest.ts';
import { formatPlatform, parsePlatform, platformDistance } from '../spec/oci/platform.ts';
import {
  familiarName,
  familiarReference,
  formatReference,
  parseReference,
  parseTag,
  type Reference,
} from '../spec/reference/reference.ts';
import type { ContentOperation } from './content.ts';
import type { ImageContext } from './context.ts';
import { imageEvent } from './event.ts';
import { fetchLayers, missingLayers, type Transfers } from './fetch-layers.ts';
import { checkPullable, chooseManifest, otherThanImage, readDocument } from './pull-documents.ts';
import type { ImageVariant, StoredImage } from './records.ts';
import { storeImage } from './store-image.ts';
import { admitOrigin, admitPull } from './trust/admit.ts';
import { makeVariant } from './variant.ts';

/** Opens a repository of a registry; credentials were given with the request. */
export type OpenRepository = (reference: Reference) => RemoteRepository;

export interface PullOptions {
  readonly platform?: string;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}

/**
 * The name that `reference` and `tag` of a pull request make: a digest, given in either place, decides alone. Without
 * any tag it means all tags of the repository. @throws EngineError `invalid`
 */
export function nameToPull(text: string, tag: string | undefined): Reference {
  const { tag: inner, digest, ...repository } = parseReference(text);
  if (familiarName(repository) === 'scratch') throw invalid("'scratch' is a reserved name");
  const given = tag === undefined || tag === '' ? undefined : tag;
  const pinned = (given === undefined ? undefined : tryDigest(given)) ?? digest;
  if (pinned !== undefined) return { ...repository, digest: pinned };
  const wanted = given === undefined ? inner : parseTag(given);
  return wanted === undefined ? repository : { ...repository, tag: wanted };
}

/**
 * Downloads an image by tag or digest, or all tags one after the other, past those that are no images (signatures): the
 * manifest for one platform, its configuration and layers, all verified. Nothing is named before everything is there. What a broken pull has brought is kept for a
 * while, so that the next attempt goes on from there; wrong content is not. @throws EngineError in Docker's words;
 * `forbidden` for what the trust policy does not admit
 */
export async function pullImage(
  context: ImageContext,
  transfers: Transfers,
  open: OpenRepository,
  reference: Reference,
  options: PullOptions,
): Promise<void> {
  const { signal, progress } = options;
  const remote = open(reference);
  const one = (name: Reference, isOneOfAll: boolean): Promise<Outcome> =>
    new Pull({ context, transfers, remote, reference: name, isOneOfAll, ...options }).run();
  const outcomes: Outcome[] = [];
  if (reference.tag !== undefined || reference.digest !== undefined) outcomes.push(await one(reference, false));
  else for (const tag of await remote.tags(signal)) outcomes.push(await one({ ...reference, tag }, true));
  const shown = familiarReference(reference);
  // The documents of what was passed by are nobody's.
  if (outcomes.includes('no image')) await context.content.collect();
  if (outcomes.length > 0 && outcomes.every((outcome) => outcome === 'no image')) {
    throw invalid(`none of the tags of ${shown} is an image`);
  }
  progress({
    status: outcomes.includes('new')
      ? `Status: Downloaded newer image for ${shown}`
      : `Status: Image is up to date for ${shown}`,
  });
}

type Outcome = 'new' | 'up to date' | 'no image';

interface PullParts extends PullOptions {
  readonly context: ImageContext;
  readonly transfers: Transfers;
  readonly remote: RemoteRepository;
  /** With a tag or a digest. */
  readonly reference: Reference;
  /** All tags are pulled: one that is no image is passed by. */
  readonly isOneOfAll: boolean;
}

/** One image on its way. */
class Pull {
  readonly #parts: PullParts;
  readonly #content: ContentOperation;
  /** What is asked for; undefined takes what fits the host best. */
  readonly #wanted: Platform | undefined;
  /** Names it among unfinished pulls. */
  readonly #key: string;

  constructor(parts: PullParts) {
    const { context, platform, reference } = parts;
    this.#parts = parts;
    this.#wanted = platform ? parsePlatform(platform, context.host) : undefined;
    this.#key = `${formatReference(reference)} ${this.#wanted === undefined ? '' : formatPlatform(this.#wanted)}`;
    this.#content = context.content.begin();
  }

  async run(): Promise<Outcome> {
    const { context, remote, reference, progress, signal } = this.#parts;
    let done = false;
    try {
      const origin = { transport: 'docker', reference } as const;
      await admitOrigin(context, origin, familiarReference(reference));
      const { descriptor: target, bytes } = await remote.manifest(reference, signal);
      progress({ status: `Pulling from ${reference.path}`, id: reference.tag ?? formatReference(reference) });
      const root = await this.#keep(target, bytes);
      const found = this.#passesBy(root) ? undefined : await this.#manifestOf(target, root);
      if (found === undefined || this.#passesBy(found.document)) {
        // Collected after the last tag: there may be as many of these as images.
        done = true;
        return 'no image';
      }
      const { descriptor, document } = found;
      checkPullable(document.manifest);
      const source = { remote, repository: reference, signal };
      const signatures = await admitPull(context, reference, [target.digest, descriptor.digest], source);
      const config = await this.#config(document.manifest.config);
      const { variant } = makeVariant(descriptor, document.manifest, config);
      checkPlatform(this.#wanted, variant.platform, familiarReference(reference));
      const blobs = [target, descriptor, document.manifest.config, ...document.manifest.layers];
      const isKnown = isStored(context.catalog.image(target.digest), variant);
      await this.#layers(variant, blobs, isKnown);
      const { upToDate } = await storeImage(
        context,
        {
          target: { ...target, mediaType: root.mediaType },
          variants: [variant],
          blobs,
          source: reference,
          origin,
          signatures,
        },
        [reference],
        async (image) => [
          await imageEvent(context, 'pull', image, {
            actor: familiarReference(reference),
            name: familiarName(reference),
          }),
        ],
      );
      done = true;
      context.sources.note(reference, layerDigests(variant));
      await context.unfinished.end(this.#key);
      progress({ status: `Digest: ${target.digest}` });
      return upToDate ? 'up to date' : 'new';
    } catch (error) {
      if (!mayGoOn(error)) await context.unfinished.end(this.#key);
      throw error;
    } finally {
      context.unfinished.pause(this.#key);
      this.#content.end();
      if (!done) await context.content.collect();
    }
  }

  #passesBy(document: ManifestDocument): boolean {
    const { isOneOfAll, reference, progress } = this.#parts;
    const what = isOneOfAll ? otherThanImage(document) : undefined;
    if (what !== undefined) progress({ status: `Skipped: it is no image (${what})`, id: reference.tag ?? '' });
    return what !== undefined;
  }

  async #keep(descriptor: Descriptor, bytes: Uint8Array): Promise<ManifestDocument> {
    const document = readDocument(bytes, descriptor.mediaType, familiarReference(this.#parts.reference));
    await this.#content.putBlob(bytes, descriptor.digest);
    return document;
  }

  /** The manifest itself, or the one of an index that fits. */
  async #manifestOf(
    target: Descriptor,
    root: ManifestDocument,
  ): Promise<{ descriptor: Descriptor; document: Extract<ManifestDocument, { kind: 'manifest' }> }> {
    if (root.kind === 'manifest') return { descriptor: target, document: root };
    const { context, remote, reference, signal } = this.#parts;
    const descriptor = chooseManifest(root.index, this.#wanted ?? context.host);
    const { digest, size } = descriptor;
    const { domain, path } = reference;
    const bytes = (await this.#stored(digest)) ?? (await remote.manifest({ domain, path, digest }, signal)).bytes;
    if (bytes.length !== size) {
      throw new EngineError('corrupt', `manifest ${digest} has ${bytes.length} bytes, not ${size}`);
    }
    const document = await this.#keep(descriptor, bytes);
    if (document.kind !== 'manifest') throw invalid(`manifest ${digest} is an index inside an index`);
    return { descriptor, document };
  }

  /** A document from the store, held there. */
  async #stored(digest: Digest): Promise<Uint8Array | undefined> {
    if ((await this.#content.blobSize(digest)) === undefined) return undefined;
    return this.#parts.context.content.readBlob(digest, largestDocument);
  }

  /** From the store, else from the registry, verified as it is stored. */
  async #config(descriptor: Descriptor): Promise<Uint8Array> {
    const { digest, size } = descriptor;
    if (size > largestDocument) {
      throw invalid(`image config ${digest} is larger than the allowed ${largestDocument} bytes`);
    }
    const stored = await this.#stored(digest);
    if (stored !== undefined) return stored;
    const { remote, signal } = this.#parts;
    const bytes = await readAll(remote.blob(descriptor, { signal }), largestDocument, 'image config');
    if (bytes.length !== size) throw new EngineError('corrupt', `image config ${digest} has the wrong size`);
    await this.#content.putBlob(bytes, digest);
    return bytes;
  }

  async #layers({ layers }: ImageVariant, blobs: readonly Descriptor[], isKnown: boolean): Promise<void> {
    const { context, transfers, remote: source, reference, progress, signal } = this.#parts;
    const begin = (): ContentOperation => context.content.begin();
    const fetching = { content: this.#content, begin, transfers, source, registry: reference.domain, progress, signal };
    const missing = await missingLayers(fetching, layers, isKnown);
    if (missing.length === 0) return;
    await context.unfinished.begin({ key: this.#key, blobs, layers: layers.map(({ diffId }) => diffId) });
    await fetchLayers(fetching, missing);
  }
}

const layerDigests = ({ layers }: ImageVariant): Digest[] => layers.map(({ blob }) => blob.digest);

const isStored = (image: StoredImage | undefined, { manifest }: ImageVariant): boolean =>
  image?.variants.some((variant) => variant.manifest.digest === manifest.digest) ?? false;

/** Whether another attempt may find of use what this one has brought. */
const mayGoOn = (error: unknown): boolean =>
  error instanceof EngineError && (error.code === 'cancelled' || error.code === 'unavailable');

/** A single manifest answers every request: whoever asked for a platform must not get another one. */
function checkPlatform(wanted: Platform | undefined, actual: Platform, shown: string): void {
  if (wanted === undefined || platformDistance(wanted, actual) !== undefined) return;
  throw new EngineError(
    'not-found',
    `image with reference ${shown} was found but its platform (${formatPlatform(actual)}) does not match the specified platform (${formatPlatform(wanted)})`,
  );
}
