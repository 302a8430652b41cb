import { hash } from 'node:crypto';
import { digestOfHex } from '../../base/ids.ts';
import { type Descriptor, mediaTypes, type Platform } from '../../spec/oci/image.ts';
import { formatReference, type Reference } from '../../spec/reference/reference.ts';
import { CliError } from '../errors.ts';
import type { ManifestEntry } from './_entry.ts';

/** The order of keys that docker writes: the digest of a list depends on it. */
const platformJson = (platform: Platform) => ({
  architecture: platform.architecture,
  os: platform.os,
  ...(platform['os.version'] ? { 'os.version': platform['os.version'] } : {}),
  ...(platform['os.features']?.length ? { 'os.features': platform['os.features'] } : {}),
  ...(platform.variant ? { variant: platform.variant } : {}),
});

/** A descriptor as docker keeps it beside a manifest. */
export const descriptorJson = ({ mediaType, digest, size, platform }: Descriptor) => ({
  mediaType,
  digest,
  size,
  ...(platform === undefined ? {} : { platform: platformJson(platform) }),
});

/**
 * A list of manifests as the document that is pushed, byte for byte as docker writes it: an OCI index when the first
 * manifest is OCI's, else Docker's manifest list. @throws CliError for manifests of another registry
 */
export function listDocument(
  target: Reference,
  entries: readonly ManifestEntry[],
): { readonly descriptor: Descriptor; readonly bytes: Uint8Array } {
  const manifests = entries.map(({ reference, descriptor: { mediaType, size, digest, platform } }) => {
    if (reference.domain !== target.domain) {
      throw new CliError(
        `cannot use source images from a different registry than the target image: ${reference.domain} != ${target.domain}`,
      );
    }
    return { mediaType, size, digest, platform: platformJson(platform ?? { architecture: '', os: '' }) };
  });
  const isOci = entries[0]?.descriptor.mediaType === mediaTypes.ociManifest;
  const mediaType = isOci ? mediaTypes.ociIndex : mediaTypes.dockerIndex;
  const bytes = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, mediaType, manifests }, undefined, 3));
  return { bytes, descriptor: { mediaType, digest: digestOfHex(hash('sha256', bytes, 'hex')), size: bytes.length } };
}

/** @throws CliError for an entry that says no platform */
export function checkPlatforms(entries: readonly ManifestEntry[]): void {
  for (const { reference, descriptor } of entries) {
    if (descriptor.platform?.architecture && descriptor.platform.os) continue;
    throw new CliError(
      `manifest ${formatReference(reference)} must have an OS and Architecture to be pushed to a registry`,
    );
  }
}
