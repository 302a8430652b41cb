import { codeOf, EngineError } from '../../base/errors.ts';
import { type Digest, hexOf } from '../../base/ids.ts';
import { readAll } from '../../base/stream.ts';
import type { RemoteRepository } from '../../registry/client/client.ts';
import type { ImageSignature } from '../../spec/contract/trust.ts';
import type { Descriptor, ImageManifest } from '../../spec/oci/image.ts';
import { parseManifestDocument } from '../../spec/oci/manifest.ts';
import type { Reference } from '../../spec/reference/reference.ts';
import { describeBytes } from '../document.ts';

/** Of one digest: the newest count where a repository has more, or larger ones together. */
const mostSignatures = 100;
const largestTogether = 256 * 1024;
/** A payload says a digest and a name, and what the signer adds to that. */
export const largestPayload = 16 * 1024;
export const longestSignature = 8 * 1024;
/** Payloads that are asked for at once. */
const atOnce = 8;

const payloadType = 'application/vnd.dev.cosign.simplesigning.v1+json';
const signatureAnnotation = 'dev.cosignproject.cosign/signature';

/** Where signatures are asked for: where the image itself came from, mirrors included. */
export interface SignatureSource {
  readonly remote: RemoteRepository;
  readonly repository: Reference;
  readonly signal: AbortSignal;
}

/**
 * The signatures that a registry keeps for a manifest or index under the tag `sha256-HEX.sig` (cosign's SIGNATURE_SPEC,
 * "tag-based discovery"), the newest last. Nothing of them is verified. What is too large to be one is passed over.
 * @throws EngineError as for any document of a registry; none at all are an empty list
 */
export async function fetchSignatures(source: SignatureSource, digest: Digest): Promise<ImageSignature[]> {
  const manifest = await signatureManifest(source, digest);
  if (manifest === undefined) return [];
  const chosen = newest(manifest.layers);
  const payloads = await fetchPayloads(source, chosen);
  return chosen.map((layer) => ({
    format: 'cosign',
    payload: payloads.get(layer.digest) ?? '',
    signature: layer.annotations?.[signatureAnnotation] ?? '',
  }));
}

async function signatureManifest(
  { remote, repository, signal }: SignatureSource,
  digest: Digest,
): Promise<ImageManifest | undefined> {
  const { domain, path } = repository;
  try {
    const tag = `sha256-${hexOf(digest)}.sig`;
    const { bytes, descriptor } = await remote.manifest({ domain, path, tag }, signal);
    const document = parseManifestDocument(bytes, descriptor.mediaType);
    return document.kind === 'manifest' ? document.manifest : undefined;
  } catch (error) {
    if (codeOf(error) === 'not-found') return undefined;
    throw error;
  }
}

/** From the end, as long as there is room. */
function newest(layers: readonly Descriptor[]): Descriptor[] {
  const chosen: Descriptor[] = [];
  let room = largestTogether;
  for (const layer of layers.toReversed()) {
    const signature = layer.annotations?.[signatureAnnotation] ?? '';
    const isOne = layer.mediaType === payloadType && signature !== '' && signature.length <= longestSignature;
    if (!isOne || layer.size > largestPayload) continue;
    room -= layer.size + signature.length;
    if (chosen.length === mostSignatures || room < 0) break;
    chosen.unshift(layer);
  }
  return chosen;
}

/** Base64 by digest; signers that sign the same again share a payload. */
async function fetchPayloads(
  { remote, signal }: SignatureSource,
  layers: readonly Descriptor[],
): Promise<ReadonlyMap<Digest, string>> {
  const wanted = [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
  const payloads = new Map<Digest, string>();
  for (let at = 0; at < wanted.length; at += atOnce) {
    const group = wanted.slice(at, at + atOnce).map(async (layer) => {
      const bytes = await readAll(remote.blob(layer, { signal }), largestPayload, 'payload of a signature');
      if (describeBytes(layer.mediaType, bytes).digest !== layer.digest) {
        throw new EngineError('corrupt', `the payload ${layer.digest} of a signature came with other bytes`);
      }
      payloads.set(layer.digest, Buffer.from(bytes).toString('base64'));
    });
    await Promise.all(group);
  }
  return payloads;
}
