import { EngineError } from '../base/errors.ts';
import type { Digest, DiffId } from '../base/ids.ts';
import { parseImageConfig } from '../spec/oci/config.ts';
import { type Descriptor, type ImageConfig, type ImageManifest, mediaTypes, type Platform } from '../spec/oci/image.ts';
import { layerCompression } from '../spec/oci/manifest.ts';
import { normalizePlatform } from '../spec/oci/platform.ts';
import type { ImageVariant } from './records.ts';

export const imageConfigTypes: readonly string[] = [mediaTypes.ociConfig, mediaTypes.dockerConfig];

/** Marks manifests in an index that are about another manifest (BuildKit's provenance and SBOM attestations). */
const attestationMark = 'vnd.docker.reference.type';
const attestedMark = 'vnd.docker.reference.digest';

/** Where BuildKit notes what a layer of an attestation states. */
export const predicateAnnotation = 'in-toto.io/predicate-type';

/** How an index marks an attestation of one of its manifests. */
export const attestationAnnotations = (attested: Digest): Readonly<Record<string, string>> => ({
  [attestationMark]: 'attestation-manifest',
  [attestedMark]: attested,
});

/** What an index says that a manifest in it is about another one: `attestation-manifest`. */
export const attestationKind = ({ annotations }: Descriptor): string | undefined => annotations?.[attestationMark];

/** The digest that an attestation names as its image's, as it is written. */
export const attestedDigest = ({ annotations }: Descriptor): string | undefined => annotations?.[attestedMark];

export const isAttestation = ({ annotations, platform }: Descriptor): boolean =>
  annotations?.[attestationMark] !== undefined || (platform?.os === 'unknown' && platform.architecture === 'unknown');

/** @throws EngineError `invalid` when the manifest is of something that no container can be made from. */
export function checkRunnable(manifest: ImageManifest, what: string): void {
  if (!imageConfigTypes.includes(manifest.config.mediaType)) {
    throw new EngineError(
      'invalid',
      `${what} is no container image: its config has the type ${manifest.config.mediaType.slice(0, 100)}`,
    );
  }
  for (const { mediaType, digest } of manifest.layers) {
    if (layerCompression(mediaType) === undefined) {
      throw new EngineError('invalid', `layer ${digest} has the unsupported type ${mediaType.slice(0, 100)}`);
    }
  }
}

export const platformOfConfig = (config: ImageConfig): Platform =>
  normalizePlatform({
    os: config.os,
    architecture: config.architecture,
    ...(config.variant === undefined ? {} : { variant: config.variant }),
    ...(config['os.version'] === undefined ? {} : { 'os.version': config['os.version'] }),
  });

/**
 * Joins a manifest with its configuration: the n-th layer unpacks to the n-th diff ID.
 * @throws EngineError `invalid` when they do not belong together
 */
export function makeVariant(
  descriptor: Descriptor,
  manifest: ImageManifest,
  configBytes: Uint8Array,
): { variant: ImageVariant; config: ImageConfig } {
  checkRunnable(manifest, `manifest ${descriptor.digest}`);
  const config = parseImageConfig(configBytes);
  const diffIds: readonly DiffId[] = config.rootfs.diff_ids;
  if (diffIds.length !== manifest.layers.length) {
    throw new EngineError(
      'invalid',
      `manifest ${descriptor.digest} has ${manifest.layers.length} layers, its config ${diffIds.length}`,
    );
  }
  const platform = platformOfConfig(config);
  const layers = manifest.layers.map((blob, index) => ({ blob, diffId: diffIds[index] as DiffId }));
  return { config, variant: { manifest: descriptor, platform, config: manifest.config, layers } };
}
