import type { TarEntry } from '../archive/tar/entry.ts';
import { writeTar } from '../archive/tar/write.ts';
import { EngineError, invalid, notFound } from '../base/errors.ts';
import { type Digest, hexOf } from '../base/ids.ts';
import type { ByteStream } from '../base/stream.ts';
import { type Descriptor, mediaTypes, type Platform } from '../spec/oci/image.ts';
import { formatPlatform, parsePlatform, platformDistance } from '../spec/oci/platform.ts';
import { parseImageName } from '../spec/reference/image-name.ts';
import { familiarReference, formatReference, type Reference, sameRepository } from '../spec/reference/reference.ts';
import type { ContentOperation } from './content.ts';
import type { ImageContext } from './context.ts';
import { encodeDocument } from './document.ts';
import { imageEvent } from './event.ts';
import type { ImageVariant, StoredImage } from './records.ts';
import { chooseVariant, findImage } from './resolve.ts';

export interface SaveOptions {
  /** Names or ids; a repository without a tag stands for all its tags. */
  readonly names: readonly string[];
  /** Only these platforms; empty for all that are here. */
  readonly platforms: readonly string[];
}

/** An archive on its way out: everything in it is held until `close`, which must be called. */
export interface SavedImages {
  readonly content: ByteStream;
  close(): void;
}

/**
 * Writes images as one archive that is a docker archive and an OCI layout (image-spec v1.1, image-layout) at once, in the
 * order and with the members that Docker's containerd store gives it. Blobs go out byte for byte as they are stored.
 * @throws EngineError not-found, invalid: before the first byte
 */
export async function saveImages(context: ImageContext, { names, platforms }: SaveOptions): Promise<SavedImages> {
  if (names.length === 0) throw invalid('the names of the images to save are missing');
  const wanted = platforms.map((platform) => parsePlatform(platform, context.host));
  const chosen = names.flatMap((name) => choose(context, name).map((one) => select(context, one, wanted, name)));
  const content = context.content.begin();
  try {
    const blobs = await holdBlobs(content, chosen);
    for (const { image, target } of chosen) {
      await context.catalog.tell(await imageEvent(context, 'save', image, { actor: target.digest }));
    }
    return { content: writeTar(members(context, chosen, blobs)), close: () => content.end() };
  } catch (error) {
    content.end();
    throw error;
  }
}

interface Chosen {
  readonly image: StoredImage;
  /** The name that the archive gives it; none for an image that was asked for by its id. */
  readonly reference?: Reference;
}

function choose({ catalog }: ImageContext, name: string): Chosen[] {
  const { reference, id } = parseImageName(name);
  const isRepository = reference !== undefined && reference.tag === undefined && reference.digest === undefined;
  let found: ReturnType<typeof findImage> | undefined;
  let missing: unknown;
  try {
    found = findImage(catalog, name);
  } catch (error) {
    missing = error;
  }
  const byId = id !== undefined || reference?.digest !== undefined;
  if (found !== undefined && (byId || (found.name === undefined && hexOf(found.image.id).startsWith(name)))) {
    return [{ image: found.image }];
  }
  if (isRepository) {
    const tags = catalog
      .images()
      .flatMap((image) => catalog.namesOf(image.id).map((one) => ({ image, reference: one.reference })))
      .filter((one) => one.reference.tag !== undefined && sameRepository(one.reference, reference));
    if (tags.length > 0) {
      return tags.sort((a, b) => (formatReference(a.reference) < formatReference(b.reference) ? -1 : 1));
    }
    throw notFound(`No such image: ${familiarReference(reference)}`);
  }
  if (found === undefined) throw missing;
  return [found.name === undefined ? { image: found.image } : { image: found.image, reference: found.name.reference }];
}

/** What of an image goes into the archive. */
interface Selection extends Chosen {
  readonly target: Descriptor;
  readonly blobs: readonly Descriptor[];
  /** The one that readers without indexes see. */
  readonly preferred: ImageVariant | undefined;
}

/** For one platform its manifest alone, for several the index with what belongs to them. */
function select(context: ImageContext, chosen: Chosen, wanted: readonly Platform[], shown: string): Selection {
  const { image } = chosen;
  const first = wanted[0];
  if (first === undefined) {
    const preferred = image.variants.length === 0 ? undefined : chooseVariant(image, context.host, undefined, shown);
    return { ...chosen, target: image.target, blobs: image.blobs, preferred };
  }
  if (wanted.length === 1) {
    const variant = chooseVariant(image, context.host, formatPlatform(first), shown);
    return { ...chosen, target: variant.manifest, blobs: blobsOf(variant), preferred: variant };
  }
  const variants = image.variants.filter(({ platform }) =>
    wanted.some((one) => platformDistance(one, platform) !== undefined),
  );
  const preferred =
    variants.find(({ platform }) => platformDistance(context.host, platform) !== undefined) ?? variants[0];
  if (preferred === undefined) {
    const list = wanted.map((one) => formatPlatform(one)).join(', ');
    throw notFound(`image with reference ${shown} was found but does not provide any of the platforms ${list}`);
  }
  return { ...chosen, target: image.target, blobs: [image.target, ...variants.flatMap(blobsOf)], preferred };
}

const blobsOf = ({ manifest, config, layers }: ImageVariant): Descriptor[] => [
  manifest,
  config,
  ...layers.map(({ blob }) => blob),
];

/** Every blob once, by digest in order; none of them is deleted while the operation holds it. */
async function holdBlobs(content: ContentOperation, chosen: readonly Selection[]): Promise<Map<Digest, number>> {
  const sizes = new Map<Digest, number>();
  for (const { image, blobs } of chosen) {
    for (const { digest, size } of blobs) {
      const stored = await content.blobSize(digest);
      if (stored === undefined) throw notFound(`image ${image.id} is not complete: its blob ${digest} is missing`);
      if (stored !== size) {
        throw new EngineError('corrupt', `blob ${digest} of image ${image.id} has ${stored} bytes instead of ${size}`);
      }
      sizes.set(digest, size);
    }
  }
  return new Map([...sizes].sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function* members(
  { content }: ImageContext,
  chosen: readonly Selection[],
  blobs: ReadonlyMap<Digest, number>,
): AsyncGenerator<{ readonly entry: TarEntry; readonly body?: ByteStream }, void, undefined> {
  yield { entry: entryOf('blobs/', 'directory') };
  yield { entry: entryOf('blobs/sha256/', 'directory') };
  for (const [digest, size] of blobs) {
    yield { entry: entryOf(blobPath(digest), 'file', size), body: content.streamBlob(digest, size) };
  }
  yield document('index.json', indexOf(chosen));
  yield document('manifest.json', dockerManifests(chosen));
  yield document('oci-layout', { imageLayoutVersion: '1.0.0' });
}

const blobPath = (digest: Digest): string => `blobs/sha256/${hexOf(digest)}`;

function document(name: string, value: unknown): { entry: TarEntry; body: ByteStream } {
  const bytes = encodeDocument(value);
  return { entry: entryOf(name, 'file', bytes.length), body: once(bytes) };
}

async function* once(bytes: Uint8Array): ByteStream {
  yield bytes;
}

const entryOf = (name: string, type: 'file' | 'directory', size = 0): TarEntry => ({
  type,
  name,
  linkName: '',
  mode: type === 'file' ? 0o444 : 0o755,
  uid: 0,
  gid: 0,
  size,
  mtime: 0,
  mtimeNsec: 0,
  major: 0,
  minor: 0,
});

/** Annotations by which containerd and OCI tools find names (image-spec, annotations). */
function indexOf(chosen: readonly Selection[]): unknown {
  return {
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: chosen.map(({ target: { mediaType, digest, size }, reference }) => ({
      mediaType,
      digest,
      size,
      ...(reference === undefined
        ? {}
        : {
            annotations: {
              'io.containerd.image.name': formatReference(reference),
              'org.opencontainers.image.ref.name': reference.tag ?? formatReference(reference),
            },
          }),
    })),
  };
}

/** The list by which Docker before 25 reads an archive: one manifest an image, with all its names. */
function dockerManifests(chosen: readonly Selection[]): unknown {
  const entries = new Map<Digest, { Config: string; RepoTags: string[] | null; Layers: string[] }>();
  for (const { preferred, reference } of chosen) {
    if (preferred === undefined) continue;
    const { manifest, config, layers } = preferred;
    const entry = entries.get(manifest.digest) ?? {
      Config: blobPath(config.digest),
      RepoTags: null,
      Layers: layers.map(({ blob }) => blobPath(blob.digest)),
    };
    if (reference !== undefined) entry.RepoTags = [...(entry.RepoTags ?? []), familiarReference(reference)];
    entries.set(manifest.digest, entry);
  }
  return [...entries.values()];
}
