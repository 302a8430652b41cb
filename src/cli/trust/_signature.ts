import { hash } from 'node:crypto';
import { codeOf } from '../../base/errors.ts';
import { type Digest, digestOfHex, hexOf } from '../../base/ids.ts';
import { type Descriptor, type ImageManifest, mediaTypes } from '../../spec/oci/image.ts';
import { formatReference, type Reference } from '../../spec/reference/reference.ts';
import { CliError } from '../errors.ts';
import type { Registries } from '../registry/client.ts';
import { never, readDocument } from '../registry/documents.ts';
import { gantryVersion } from '../version.ts';

const payloadType = 'application/vnd.dev.cosign.simplesigning.v1+json';
const signatureAnnotation = 'dev.cosignproject.cosign/signature';
/** Readers take no manifest with more layers. */
const mostSignatures = 1000;

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const describe = (mediaType: string, bytes: Uint8Array): Descriptor => ({
  mediaType,
  digest: digestOfHex(hash('sha256', bytes, 'hex')),
  size: bytes.length,
});

/** The bytes that are signed (containers-signature(5), "JSON data format", with sigstore's type). */
export const signedPayload = (digest: Digest, identity: string, seconds: number): Uint8Array =>
  encode({
    critical: {
      identity: { 'docker-reference': identity },
      image: { 'docker-manifest-digest': digest },
      type: 'cosign container image signature',
    },
    optional: { creator: `gantry ${gantryVersion}`, timestamp: seconds },
  });

/**
 * Adds a signature to those that a repository keeps for a digest, under the tag `sha256-HEX.sig` (cosign's SIGNATURE_SPEC).
 * Who adds one at the same time is not seen: the later one stays. @throws EngineError, CliError
 */
export async function addSignature(
  registries: Registries,
  repository: Reference,
  digest: Digest,
  signed: { readonly payload: Uint8Array; readonly signature: string },
): Promise<void> {
  const tagged = { ...repository, tag: `sha256-${hexOf(digest)}.sig` };
  const before = await signatureManifest(registries, tagged);
  const layer = describe(payloadType, signed.payload);
  const layers = [...(before?.layers ?? []), { ...layer, annotations: { [signatureAnnotation]: signed.signature } }];
  if (layers.length > mostSignatures) {
    throw new CliError(
      `${formatReference(tagged)} has ${layers.length - 1} signatures already: no more than ${mostSignatures} are read`,
    );
  }
  // Nobody unpacks it: readers of images want a configuration that lists the layers.
  const rootfs = { type: 'layers', diff_ids: layers.map(({ digest: id }) => id) };
  const config = encode({ architecture: '', os: '', config: {}, rootfs });
  const manifest = encode({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: describe(mediaTypes.ociConfig, config),
    layers,
    ...(before?.annotations === undefined ? {} : { annotations: before.annotations }),
  });
  const target = registries.target(repository);
  const blobs: readonly [Descriptor, Uint8Array][] = [
    [layer, signed.payload],
    [describe(mediaTypes.ociConfig, config), config],
  ];
  for (const [descriptor, bytes] of blobs) {
    await target.blob(descriptor, { open: (from) => streamOf(bytes.subarray(from)), signal: never });
  }
  await target.manifest(describe(mediaTypes.ociManifest, manifest), {
    bytes: manifest,
    tag: tagged.tag,
    signal: never,
  });
}

async function signatureManifest(registries: Registries, tagged: Reference): Promise<ImageManifest | undefined> {
  try {
    const { document } = await readDocument(registries.repository(tagged), tagged);
    if (document.kind === 'manifest') return document.manifest;
    throw new CliError(`${formatReference(tagged)} is an index, no list of signatures`);
  } catch (error) {
    if (codeOf(error) === 'not-found') return undefined;
    throw error;
  }
}

async function* streamOf(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}
