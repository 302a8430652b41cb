import { codeOf, EngineError, invalid } from '../../base/errors.ts';
import type { Digest } from '../../base/ids.ts';
import { readAll } from '../../base/stream.ts';
import type { ImageSignature } from '../../spec/contract/trust.ts';
import type { Descriptor } from '../../spec/oci/image.ts';
import { objectOf, optionalList, optionalObject, parseJsonObject, requiredString } from '../../spec/oci/json.ts';
import { parseManifestDocument } from '../../spec/oci/manifest.ts';
import { describeBytes } from '../document.ts';
import { largestPayload, longestSignature, type SignatureSource } from './fetch-signatures.ts';

/** Of sigstore's bundles, whatever their version. */
const bundleType = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const bundlePrefix = 'application/vnd.dev.sigstore.bundle';
const statementType = 'application/vnd.in-toto+json';
/** Of one digest: the last ones of the list where there are more. */
const mostBundles = 20;
/** With certificates and proofs of a log, none of which is kept. */
const largestBundle = 128 * 1024;
const mostEnvelopeSignatures = 5;

/**
 * The signatures that a registry keeps for a manifest or index as sigstore bundles, which refer to it (cosign's
 * BUNDLE_SPEC; OCI distribution-spec, "listing referrers"). Nothing of them is verified. Bundles that hold no statement, or
 * are too large, are passed over. @throws EngineError as for any document of a registry; none at all are an empty list
 */
export async function fetchBundles(source: SignatureSource, digest: Digest): Promise<ImageSignature[]> {
  const signatures: ImageSignature[] = [];
  for (const referrer of await referrersOf(source, digest)) {
    const blob = await bundleBlob(source, referrer);
    if (blob !== undefined) signatures.push(...(await readBundle(source, blob)));
  }
  return signatures;
}

async function referrersOf({ remote, signal }: SignatureSource, digest: Digest): Promise<Descriptor[]> {
  try {
    const { bytes, descriptor } = await remote.referrers(digest, bundleType, signal);
    const document = parseManifestDocument(bytes, descriptor.mediaType);
    if (document.kind !== 'index') return [];
    const isBundle = ({ artifactType }: Descriptor) => artifactType?.startsWith(bundlePrefix) === true;
    return document.index.manifests.filter(isBundle).slice(-mostBundles);
  } catch (error) {
    if (codeOf(error) === 'not-found') return [];
    throw error;
  }
}

async function bundleBlob(
  { remote, repository, signal }: SignatureSource,
  { digest }: Descriptor,
): Promise<Descriptor | undefined> {
  const { domain, path } = repository;
  const { bytes, descriptor } = await remote.manifest({ domain, path, digest }, signal);
  const document = parseManifestDocument(bytes, descriptor.mediaType);
  const [layer] = document.kind === 'manifest' ? document.manifest.layers : [];
  return layer?.mediaType.startsWith(bundlePrefix) === true && layer.size <= largestBundle ? layer : undefined;
}

async function readBundle({ remote, signal }: SignatureSource, blob: Descriptor): Promise<ImageSignature[]> {
  const bytes = await readAll(remote.blob(blob, { signal }), largestBundle, 'bundle of a signature');
  if (describeBytes(blob.mediaType, bytes).digest !== blob.digest) {
    throw new EngineError('corrupt', `the bundle ${blob.digest} of a signature came with other bytes`);
  }
  const json = parseJsonObject(bytes, 'bundle of a signature');
  const envelope = optionalObject(json['dsseEnvelope'], 'dsseEnvelope');
  if (envelope === undefined || envelope['payloadType'] !== statementType) return [];
  const payload = requiredString(envelope['payload'], 'dsseEnvelope.payload');
  const made = optionalList(envelope['signatures'], 'dsseEnvelope.signatures', mostEnvelopeSignatures, (value, what) =>
    requiredString(objectOf(value, what)['sig'], `${what}.sig`),
  );
  if (payload.length > (largestPayload / 3) * 4) return [];
  return (made ?? []).map((signature) => {
    if (signature.length > longestSignature) throw invalid('dsseEnvelope.signatures has one that is too long');
    return { format: 'bundle', payload, signature };
  });
}
