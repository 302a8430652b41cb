import { invalid } from '../../base/errors.ts';
import type { Descriptor, ImageIndex, ImageManifest, Platform } from './image.ts';
import { mediaTypes } from './image.ts';
import {
  defined,
  digestOf,
  type JsonObject,
  objectOf,
  optionalList,
  optionalObject,
  optionalString,
  optionalStringMap,
  optionalStrings,
  parseJsonObject,
  requiredString,
} from './json.ts';

/** More layers than any engine can stack, and more manifests than any real index has. */
const mostLayers = 1000;
const mostManifests = 1000;

export type ManifestDocument =
  | { readonly kind: 'manifest'; readonly mediaType: string; readonly manifest: ImageManifest }
  | { readonly kind: 'index'; readonly mediaType: string; readonly index: ImageIndex };

const manifestTypes: readonly string[] = [mediaTypes.ociManifest, mediaTypes.dockerManifest];
const indexTypes: readonly string[] = [mediaTypes.ociIndex, mediaTypes.dockerIndex];

/** What a registry is asked for, best first. */
export const acceptedManifestTypes: readonly string[] = [...manifestTypes, ...indexTypes];

export const isManifestType = (mediaType: string): boolean => manifestTypes.includes(mediaType);
export const isIndexType = (mediaType: string): boolean => indexTypes.includes(mediaType);

/**
 * Reads an image manifest or an image index (OCI image-spec 1.1, Docker schema 2) from untrusted bytes.
 *
 * `declaredType` is what the descriptor or the Content-Type said. It, the document's own `mediaType` and the fields
 * that are there must agree: one digest must never mean two different images (CVE-2021-41190).
 * @throws EngineError `invalid`
 */
export function parseManifestDocument(bytes: Uint8Array, declaredType?: string): ManifestDocument {
  const json = parseJsonObject(bytes, 'manifest');
  if (json['schemaVersion'] === 1 || json['fsLayers'] !== undefined || json['signatures'] !== undefined) {
    throw invalid(
      'manifest of the outdated schema version 1 is not supported: push the image again as schema 2 or OCI',
    );
  }
  if (json['schemaVersion'] !== 2) throw invalid('manifest: schemaVersion must be 2');
  const ownType = optionalString(json['mediaType'], 'manifest: mediaType');
  const mediaType = agreedType(json, ownType, declaredType);
  if (indexTypes.includes(mediaType)) {
    if (json['layers'] !== undefined || json['config'] !== undefined) {
      throw invalid('index has layers or a config: it could be read as two different images');
    }
    return { kind: 'index', mediaType, index: indexOf(json, ownType) };
  }
  if (json['manifests'] !== undefined) {
    throw invalid('manifest has a list of manifests: it could be read as two different images');
  }
  return { kind: 'manifest', mediaType, manifest: manifestOf(json, ownType) };
}

function agreedType(json: JsonObject, own: string | undefined, declared: string | undefined): string {
  const known = declared !== undefined && acceptedManifestTypes.includes(declared) ? declared : undefined;
  if (own !== undefined && known !== undefined && own !== known) {
    throw invalid(`manifest says that it is ${own.slice(0, 100)}, but it came as ${known}`);
  }
  const mediaType = own ?? known ?? (json['manifests'] === undefined ? mediaTypes.ociManifest : mediaTypes.ociIndex);
  if (!acceptedManifestTypes.includes(mediaType)) {
    throw invalid(`unsupported manifest media type ${mediaType.slice(0, 100)}`);
  }
  return mediaType;
}

function manifestOf(json: JsonObject, mediaType: string | undefined): ImageManifest {
  const layers = optionalList(json['layers'], 'manifest: layers', mostLayers, descriptorOf);
  return defined({
    schemaVersion: 2 as const,
    mediaType,
    config: descriptorOf(json['config'], 'manifest: config'),
    layers: layers ?? [],
    annotations: optionalStringMap(json['annotations'], 'manifest: annotations'),
  }) as ImageManifest;
}

function indexOf(json: JsonObject, mediaType: string | undefined): ImageIndex {
  const manifests = optionalList(json['manifests'], 'index: manifests', mostManifests, descriptorOf);
  return defined({
    schemaVersion: 2 as const,
    mediaType,
    manifests: manifests ?? [],
    annotations: optionalStringMap(json['annotations'], 'index: annotations'),
  }) as ImageIndex;
}

/** Reads a content descriptor. @throws EngineError `invalid` that names the field below `what`. */
export function descriptorOf(value: unknown, what: string): Descriptor {
  const json = objectOf(value, what);
  const size = json['size'];
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw invalid(`${what}.size must be a whole number of bytes`);
  }
  return defined({
    mediaType: requiredString(json['mediaType'], `${what}.mediaType`),
    digest: digestOf(json['digest'], `${what}.digest`),
    size,
    platform: platformOf(json['platform'], `${what}.platform`),
    annotations: optionalStringMap(json['annotations'], `${what}.annotations`),
    artifactType: optionalString(json['artifactType'], `${what}.artifactType`),
  }) as Descriptor;
}

function platformOf(value: unknown, what: string): Platform | undefined {
  const json = optionalObject(value, what);
  if (json === undefined) return undefined;
  return defined({
    os: optionalString(json['os'], `${what}.os`) ?? '',
    architecture: optionalString(json['architecture'], `${what}.architecture`) ?? '',
    variant: optionalString(json['variant'], `${what}.variant`),
    'os.version': optionalString(json['os.version'], `${what}.os.version`),
    'os.features': optionalStrings(json['os.features'], `${what}.os.features`, 100),
  }) as Platform;
}

/** How the bytes of a layer are compressed, by its media type; undefined when it is no layer that can be unpacked. */
export function layerCompression(mediaType: string): 'none' | 'gzip' | 'zstd' | undefined {
  switch (mediaType) {
    case mediaTypes.ociLayer:
    case mediaTypes.dockerLayer:
      return 'none';
    case mediaTypes.ociLayerGzip:
    case mediaTypes.dockerLayerGzip:
      return 'gzip';
    case mediaTypes.ociLayerZstd:
    case dockerLayerZstd:
      return 'zstd';
    default:
      return undefined;
  }
}

/** Written by BuildKit for Docker media types with zstd. */
const dockerLayerZstd = 'application/vnd.docker.image.rootfs.diff.tar.zstd';
