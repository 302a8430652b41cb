import { hash } from 'node:crypto';
import { EngineError, invalid, notFound } from '../base/errors.ts';
import { type Digest, digestOfHex, hexOf } from '../base/ids.ts';
import { parseImageConfig } from '../spec/oci/config.ts';
import { type Descriptor, mediaTypes } from '../spec/oci/image.ts';
import { objectOf, optionalStrings, requiredString } from '../spec/oci/json.ts';
import { parseManifestDocument } from '../spec/oci/manifest.ts';
import { parseReference, type Reference, withDefaultTag } from '../spec/reference/reference.ts';
import { type ArchiveBlob, followLinks, type ImageArchive } from './archive.ts';
import { describeBytes } from './document.ts';

/** An image that an archive offers: its root document, and the names it is to have. */
export interface OfferedImage {
  readonly target: Descriptor;
  readonly references: readonly Reference[];
}

/** The images of an archive, and documents that had to be written for them, by digest. */
export interface ArchiveContents {
  readonly images: readonly OfferedImage[];
  readonly madeDocuments: ReadonlyMap<Digest, Uint8Array>;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Finds out what an archive offers. An OCI layout (`index.json`) is preferred; `docker save` of newer engines writes
 * both. @throws EngineError `invalid` for an archive that is neither
 */
export function imagesOf(archive: ImageArchive): ArchiveContents {
  const index = archive.documents.get('index.json');
  const dockerManifest = archive.documents.get('manifest.json');
  if (index !== undefined && archive.documents.has('oci-layout')) {
    const images = imagesOfLayout(index);
    return { images: withDockerNames(images, dockerManifest), madeDocuments: new Map() };
  }
  if (dockerManifest !== undefined) return imagesOfDockerArchive(archive, dockerManifest);
  if (archive.documents.has('repositories')) {
    throw invalid('invalid archive: it was saved by a Docker before 1.10, without manifest.json: save the image anew');
  }
  throw invalid('invalid archive: it has neither index.json with oci-layout nor manifest.json');
}

/** Names in an OCI layout: containerd's annotation holds whole names, the standard one often only a tag. */
export const fullNameAnnotation = 'io.containerd.image.name';
export const refNameAnnotation = 'org.opencontainers.image.ref.name';

function imagesOfLayout(bytes: Uint8Array): OfferedImage[] {
  const document = parseManifestDocument(bytes, mediaTypes.ociIndex);
  if (document.kind !== 'index') throw invalid('invalid archive: index.json is no index');
  const images = new Map<Digest, { target: Descriptor; references: Reference[] }>();
  for (const target of document.index.manifests) {
    const image = images.get(target.digest) ?? { target, references: [] };
    images.set(target.digest, image);
    const reference = referenceOfAnnotations(target.annotations ?? {});
    if (reference !== undefined) image.references.push(reference);
  }
  return [...images.values()];
}

function referenceOfAnnotations(annotations: Readonly<Record<string, string>>): Reference | undefined {
  const full = annotations[fullNameAnnotation];
  if (full !== undefined && full !== '') return withDefaultTag(parseReference(full));
  const short = annotations[refNameAnnotation];
  // A word alone is a tag of a name that the layout does not tell.
  if (short === undefined || !(short.includes(':') || short.includes('/'))) return undefined;
  return withDefaultTag(parseReference(short));
}

interface DockerEntry {
  readonly config: string;
  readonly names: readonly Reference[];
  readonly layers: readonly string[];
}

function parseDockerManifest(bytes: Uint8Array): DockerEntry[] {
  let entries: unknown;
  try {
    entries = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw invalid('invalid archive: manifest.json is not valid JSON', error);
  }
  if (!Array.isArray(entries)) throw invalid('invalid archive: manifest.json must be a list');
  return entries.map((value: unknown, at) => {
    const what = `manifest.json[${at}]`;
    const json = objectOf(value, what);
    const names = optionalStrings(json['RepoTags'], `${what}.RepoTags`) ?? [];
    return {
      config: requiredString(json['Config'], `${what}.Config`),
      names: names.map((name) => withDefaultTag(parseReference(name))),
      layers: optionalStrings(json['Layers'], `${what}.Layers`, 1000) ?? [],
    };
  });
}

/** Where the layout itself names nothing, its `manifest.json` may: both list the same images in the same order. */
function withDockerNames(images: OfferedImage[], bytes: Uint8Array | undefined): OfferedImage[] {
  if (bytes === undefined || images.some(({ references }) => references.length > 0)) return images;
  const entries = parseDockerManifest(bytes);
  if (entries.length !== images.length) return images;
  return images.map((image, at) => ({ ...image, references: entries[at]?.names ?? [] }));
}

function imagesOfDockerArchive(archive: ImageArchive, bytes: Uint8Array): ArchiveContents {
  const madeDocuments = new Map<Digest, Uint8Array>();
  const images = new Map<Digest, { target: Descriptor; references: Reference[] }>();
  for (const entry of parseDockerManifest(bytes)) {
    const config = documentAt(archive, entry.config);
    const manifest = makeManifest(archive, entry, config, madeDocuments);
    const target = describeBytes(mediaTypes.dockerManifest, manifest);
    madeDocuments.set(target.digest, manifest);
    madeDocuments.set(digestOfHex(hash('sha256', config, 'hex')), config);
    const image = images.get(target.digest) ?? { target, references: [] };
    image.references.push(...entry.names);
    images.set(target.digest, image);
  }
  return { images: [...images.values()], madeDocuments };
}

/**
 * A docker archive without an OCI index has no manifest: one is written for it, with the layers as they are. It has
 * the same bytes, and so the image the same id, whenever the same archive is loaded.
 */
function makeManifest(
  archive: ImageArchive,
  entry: DockerEntry,
  config: Uint8Array,
  madeDocuments: Map<Digest, Uint8Array>,
): Uint8Array {
  const { diff_ids: diffIds } = parseImageConfig(config).rootfs;
  if (diffIds.length !== entry.layers.length) {
    throw invalid(
      `invalid archive: ${entry.config} has ${diffIds.length} layers, manifest.json ${entry.layers.length}`,
    );
  }
  const layers = entry.layers.map((path): Descriptor => {
    const { digest, size } = blobAt(archive, path, madeDocuments);
    const plain = diffIds.some((diffId) => diffId === digest);
    return { mediaType: plain ? mediaTypes.dockerLayer : mediaTypes.dockerLayerGzip, size, digest };
  });
  const { mediaType, size, digest } = describeBytes(mediaTypes.dockerConfig, config);
  return encoder.encode(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.dockerManifest,
      config: { mediaType, size, digest },
      layers: layers.map((layer) => ({ mediaType: layer.mediaType, size: layer.size, digest: layer.digest })),
    }),
  );
}

function documentAt(archive: ImageArchive, path: string): Uint8Array {
  const bytes = archive.documents.get(followLinks(archive, path));
  if (bytes === undefined) throw notFoundIn(path);
  return bytes;
}

/** A layer; a very small one under an unusual name was taken for a document. */
function blobAt(
  archive: ImageArchive,
  path: string,
  madeDocuments: Map<Digest, Uint8Array>,
): Pick<ArchiveBlob, 'digest' | 'size'> {
  const actual = followLinks(archive, path);
  const blob = archive.blobs.get(actual);
  if (blob !== undefined) return blob;
  const bytes = archive.documents.get(actual);
  if (bytes === undefined) throw notFoundIn(path);
  const digest = digestOfHex(hash('sha256', bytes, 'hex'));
  madeDocuments.set(digest, bytes);
  return { digest, size: bytes.length };
}

const notFoundIn = (path: string): EngineError =>
  invalid(`invalid archive: ${JSON.stringify(path.slice(0, 200))} is missing`);

/** A document of an OCI layout by its digest; undefined when the archive has not got it. */
export function documentOf(archive: ImageArchive, contents: ArchiveContents, digest: Digest): Uint8Array | undefined {
  return (
    contents.madeDocuments.get(digest) ?? archive.documents.get(followLinks(archive, `blobs/sha256/${hexOf(digest)}`))
  );
}

/** Large members by digest, whatever their path. */
export function blobsByDigest(archive: ImageArchive): ReadonlyMap<Digest, ArchiveBlob> {
  return new Map([...archive.blobs.values()].map((blob) => [blob.digest, blob]));
}

/** The error for a piece that an image needs and nobody has. */
export const missingBlob = (digest: Digest): EngineError =>
  notFound(`the archive is incomplete: blob ${digest} is missing`);
