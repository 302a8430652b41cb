import { EngineError, invalid } from '../base/errors.ts';
import { type Descriptor, type ImageIndex, type ImageManifest, mediaTypes, type Platform } from '../spec/oci/image.ts';
import {
  isManifestType,
  layerCompression,
  type ManifestDocument,
  parseManifestDocument,
} from '../spec/oci/manifest.ts';
import { bestForPlatform, formatPlatform } from '../spec/oci/platform.ts';
import { imageConfigTypes, isAttestation } from './variant.ts';

/** What a pull makes of the documents of a registry. All throw EngineError in Docker's words where it has some. */

/** Reads a manifest or index. @throws EngineError `invalid` that names the image */
export function readDocument(bytes: Uint8Array, mediaType: string, shown: string): ManifestDocument {
  if (mediaType.startsWith('application/vnd.docker.distribution.manifest.v1+')) throw outdated(shown);
  // The page of a proxy or of a portal that wants a login.
  if (mediaType === 'text/html') throw invalid(`${shown}: the registry sent text/html instead of a manifest`);
  return parseManifestDocument(bytes, mediaType);
}

const outdated = (shown: string): EngineError =>
  invalid(
    `${shown} is in the outdated format of schema 1 (manifest v2, schema 1), which is not supported: its author must build or push it again as schema 2 or OCI`,
  );

/** The manifest of an index for a platform. @throws EngineError `not-found` */
export function chooseManifest(index: ImageIndex, wanted: Platform): Descriptor {
  const candidates = index.manifests.filter((entry) => isManifestType(entry.mediaType) && !isAttestation(entry));
  const best = bestForPlatform(wanted, candidates, ({ platform }) => platform);
  // An index of one image that does not say what it is for is taken at its word: the config tells.
  const only = candidates.length === 1 && candidates[0]?.platform === undefined ? candidates[0] : undefined;
  const chosen = best ?? only;
  if (chosen !== undefined) return chosen;
  throw new EngineError('not-found', `no matching manifest for ${formatPlatform(wanted)} in the manifest list entries`);
}

/**
 * What a document is that is no image; undefined for images, foreign ones too. cosign's signatures and attestations have
 * the configuration of an image, and layers of types of their own. Tags that list what refers to an image (OCI
 * distribution-spec, "referrers tag schema") are indexes of artifacts.
 */
export function otherThanImage(document: ManifestDocument): string | undefined {
  if (document.kind === 'index') {
    const isOther = (entry: Descriptor): boolean =>
      isAttestation(entry) || !imageConfigTypes.includes(entry.artifactType ?? mediaTypes.ociConfig);
    return document.index.manifests.every(isOther) ? 'an index without images' : undefined;
  }
  const { config, layers } = document.manifest;
  const types = layers.map(({ mediaType }) => mediaType);
  const other = imageConfigTypes.includes(config.mediaType)
    ? types.find((type) => layerCompression(type) === undefined && !isForeign(type))
    : config.mediaType;
  return other?.slice(0, 100);
}

/** @throws EngineError `invalid` for artifacts that are no images, and for layers that no registry may hand out */
export function checkPullable({ config, layers }: ImageManifest): void {
  if (!imageConfigTypes.includes(config.mediaType)) {
    throw invalid(
      `Encountered remote "${config.mediaType.slice(0, 100)}"(${classOf(config.mediaType)}) when fetching: it is no container image`,
    );
  }
  for (const { mediaType, digest } of layers) {
    if (!isForeign(mediaType)) continue;
    throw invalid(
      `layer ${digest} is a foreign layer (${mediaType.slice(0, 100)}): it may not be distributed and lies outside of the registry, and images with such layers are not supported`,
    );
  }
}

const foreignTypes = [
  'application/vnd.docker.image.rootfs.foreign.',
  'application/vnd.oci.image.layer.nondistributable.',
];

const isForeign = (mediaType: string): boolean => foreignTypes.some((foreign) => mediaType.startsWith(foreign));

const classOf = (configType: string): string =>
  configType === 'application/vnd.docker.plugin.v1+json' ? 'plugin' : 'unknown';
