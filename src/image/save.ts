import type { BundleMember, Bundles } from '../archive/bundle/bundle.ts';
import { plainEntry, type TarEntry } from '../archive/tar/entry.ts';
import { EngineError, invalid, notFound } from '../base/errors.ts';
import { type Digest, hexOf } from '../base/ids.ts';
import type { ByteStream } from '../base/stream.ts';
import { type Descriptor, mediaTypes, type Platform } from '../spec/oci/image.ts';
import { bestForPlatform, formatPlatform, parsePlatform, platformDistance } from '../spec/oci/platform.ts';
import { parseImageName } from '../spec/reference/image-name.ts';
import { familiarReference, formatReference, type Reference, withDefaultTag } from '../spec/reference/reference.ts';
import { fullNameAnnotation, refNameAnnotation } from './archive-images.ts';
import type { ImageCatalog } from './catalog.ts';
import type { ContentOperation } from './content.ts';
import type { ImageContext } from './context.ts';
import { endReading } from './end-reading.ts';
import { imageEvent } from './event.ts';
import type { ImageVariant, StoredImage } from './records.ts';
import { findImage, tagsOf } from './resolve.ts';

export interface SaveOptions {
  /** Only these; empty for all that are there. One gives that manifest alone, several keep the index. */
  readonly platforms: readonly string[];
  readonly signal: AbortSignal;
  /** Blobs that the receiver has: they are left out. */
  readonly without?: ReadonlySet<Digest>;
}

/** An archive on its way out. Everything in it is held until `close`, which must be called. */
export interface ImageArchiveStream {
  /** A piece is only valid until the next one is asked for. */
  readonly content: ByteStream;
  /** Instead of `content`: sends it as chunks of an HTTP body to a socket that nobody else writes to meanwhile. */
  sendTo(socket: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * Makes ready to write images as one file that is a Docker archive and an OCI layout, as containerd writes it: blobs
 * in the order of their digests, each once; then `index.json`, `manifest.json`, `oci-layout`. A name without a tag means
 * all tags of the repository. Nothing is copied: the blobs are sent from the store.
 * @throws EngineError not-found, invalid, corrupt; before anything was sent
 */
export async function saveImages(
  context: ImageContext,
  bundles: Bundles,
  names: readonly string[],
  { platforms, signal, without = new Set() }: SaveOptions,
): Promise<ImageArchiveStream> {
  const parts = partsOf(context, names, platforms);
  const held = context.content.begin();
  const images = new Set(parts.map(({ image }) => image));
  const close = (): Promise<void> => endReading(context, held, images);
  try {
    const members = await archiveMembers(context, held, parts, { without, forDocker: true });
    for (const image of images) await context.catalog.tell(await imageEvent(context, 'save', image, {}));
    return {
      content: bundles.stream(members, signal),
      sendTo: (socket) => bundles.sendTo(socket, members, signal),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The blobs that `saveImages` sends. @throws EngineError not-found, invalid */
export function archiveContent(
  context: ImageContext,
  names: readonly string[],
  platforms: readonly string[],
): Descriptor[] {
  return [...blobsOf(partsOf(context, names, platforms)).values()];
}

function partsOf(context: ImageContext, names: readonly string[], platforms: readonly string[]): Part[] {
  if (names.length === 0) throw invalid('the names of the images to save are missing');
  const wanted = platforms.map((platform) => parsePlatform(platform, context.host));
  const parts = new Map<string, Part>();
  for (const name of names) {
    for (const named of imagesOfName(context.catalog, name)) {
      const part = partOf(context, named, wanted, name);
      parts.set(`${part.target.digest} ${part.reference === undefined ? '' : formatReference(part.reference)}`, part);
    }
  }
  return [...parts.values()];
}

function blobsOf(parts: readonly ArchivePart[]): Map<Digest, Descriptor> {
  const blobs = new Map<Digest, Descriptor>();
  for (const part of parts) for (const blob of part.blobs) blobs.set(blob.digest, blob);
  return blobs;
}

interface NamedImage {
  readonly image: StoredImage;
  /** Undefined when an id or digest was asked for: the archive then names it not. */
  readonly reference?: Reference;
}

/** What of one image goes into an archive, under one name or none. */
export interface ArchivePart {
  readonly target: Descriptor;
  readonly blobs: readonly Descriptor[];
  /** The one that readers see who know only `manifest.json`. */
  readonly shown: Pick<ImageVariant, 'manifest' | 'config' | 'layers'> | undefined;
  readonly reference?: Reference;
}

interface Part extends ArchivePart, NamedImage {}

function imagesOfName(catalog: ImageCatalog, name: string): NamedImage[] {
  const { reference } = parseImageName(name);
  if (reference === undefined) return [{ image: findImage(catalog, name).image }];
  if (reference.digest === undefined && reference.tag === undefined) {
    const all = tagsOf(catalog, reference);
    if (all.length > 0) return all;
  }
  const { image, name: found } = findImage(catalog, name);
  const isTag = found !== undefined && reference.digest === undefined;
  return [isTag ? { image, reference: withDefaultTag(reference) } : { image }];
}

function partOf(context: ImageContext, named: NamedImage, wanted: readonly Platform[], name: string): Part {
  const { image } = named;
  const matches = (variant: ImageVariant): boolean =>
    wanted.length === 0 || wanted.some((wish) => platformDistance(wish, variant.platform) === 0);
  const variants = image.variants.filter(matches);
  if (variants.length === 0 && wanted.length > 0) throw noSuchPlatform(name, wanted);
  const shown = bestForPlatform(context.host, variants, (variant) => variant.platform) ?? variants[0];
  if (wanted.length === 0) return { ...named, target: image.target, blobs: image.blobs, shown };
  const piecesOf = ({ manifest, config, layers }: ImageVariant) => [
    manifest,
    config,
    ...layers.map(({ blob }) => blob),
  ];
  const [only] = variants;
  if (wanted.length === 1 && only !== undefined) {
    return { ...named, target: only.manifest, blobs: piecesOf(only), shown: only };
  }
  return { ...named, target: image.target, blobs: [image.target, ...variants.flatMap(piecesOf)], shown };
}

const noSuchPlatform = (name: string, wanted: readonly Platform[]): EngineError =>
  notFound(
    `no suitable export target found: image with reference ${name} was found but does not provide the specified platform (${wanted.map(formatPlatform).join(', ')})`,
  );

/** What an archive of images consists of; `forDocker` adds what engines read that do not know OCI's layout. */
export async function archiveMembers(
  { content }: ImageContext,
  held: ContentOperation,
  parts: readonly ArchivePart[],
  { without = new Set(), forDocker }: { readonly without?: ReadonlySet<Digest>; readonly forDocker: boolean },
): Promise<BundleMember[]> {
  const blobs = [...blobsOf(parts).values()].filter(({ digest }) => !without.has(digest));
  for (const blob of blobs) await holdBlob(held, blob);
  const sorted = blobs.sort((a, b) => (a.digest < b.digest ? -1 : 1));
  return [
    ...['blobs/', 'blobs/sha256/'].map((name) => ({ entry: entryOf(name, 0, 0o755) })),
    ...sorted.map(({ digest, size }) => ({
      entry: entryOf(pathOf(digest), size, 0o444),
      file: { path: content.blobPath(digest), digest },
    })),
    document('index.json', indexOf(parts), 0o644),
    ...(forDocker ? [document('manifest.json', dockerManifest(parts), 0o644)] : []),
    document('oci-layout', { imageLayoutVersion: '1.0.0' }, 0o444),
  ];
}

async function holdBlob(held: ContentOperation, { digest, size }: Descriptor): Promise<void> {
  const stored = await held.blobSize(digest);
  if (stored === undefined) throw notFound(`blob ${digest} is not in the store`);
  if (stored !== size) throw new EngineError('corrupt', `blob ${digest} has ${stored} bytes instead of ${size}`);
}

const pathOf = (digest: Digest): string => `blobs/sha256/${hexOf(digest)}`;

const entryOf = (name: string, size: number, mode: number): TarEntry =>
  plainEntry(name.endsWith('/') ? 'directory' : 'file', name, { size, mode });

function document(name: string, value: unknown, mode: number): BundleMember {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return { entry: entryOf(name, bytes.length, mode), bytes };
}

/** A name a descriptor; containerd reads the whole name, other tools the tag. */
const indexOf = (parts: readonly ArchivePart[]): unknown => ({
  schemaVersion: 2,
  mediaType: mediaTypes.ociIndex,
  manifests: parts.map(({ target: { mediaType, digest, size, annotations, platform }, reference }) => {
    const names =
      reference === undefined
        ? {}
        : { [fullNameAnnotation]: formatReference(reference), [refNameAnnotation]: reference.tag };
    const all = { ...annotations, ...names };
    return {
      mediaType,
      digest,
      size,
      ...(Object.keys(all).length === 0 ? {} : { annotations: all }),
      ...(platform === undefined ? {} : { platform }),
    };
  }),
});

/** What engines before containerd's store read: one manifest an image, with all its names. */
function dockerManifest(parts: readonly ArchivePart[]): unknown[] {
  const entries = new Map<Digest, { shown: NonNullable<ArchivePart['shown']>; names: string[] }>();
  for (const { shown, reference } of parts) {
    if (shown === undefined) continue;
    const entry = entries.get(shown.manifest.digest) ?? { shown, names: [] };
    entries.set(shown.manifest.digest, entry);
    if (reference !== undefined) entry.names.push(familiarReference(reference));
  }
  return [...entries.values()].map(({ shown: { config, layers }, names }) => ({
    Config: pathOf(config.digest),
    RepoTags: names.length === 0 ? null : names,
    Layers: layers.length === 0 ? null : layers.map(({ blob }) => pathOf(blob.digest)),
  }));
}
