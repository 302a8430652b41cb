import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** Signatures of images as cosign and skopeo make them, by keys that live as long as the test. */
export interface Signer {
  /** PEM, as cosign.pub is. */
  readonly publicKey: string;
  /** DER for ECDSA, PKCS #1 v1.5 for RSA, in base64. */
  sign(bytes: Uint8Array): string;
}

export type KeyKind = 'p256' | 'p384' | 'p521' | 'ed25519' | 'rsa' | 'small-rsa' | 'secp256k1';

function makeKeys(kind: KeyKind): { publicKey: KeyObject; privateKey: KeyObject } {
  if (kind === 'ed25519') return generateKeyPairSync('ed25519');
  if (kind === 'rsa' || kind === 'small-rsa') {
    return generateKeyPairSync('rsa', { modulusLength: kind === 'rsa' ? 2048 : 1024 });
  }
  const curves = { p256: 'P-256', p384: 'P-384', p521: 'P-521', secp256k1: 'secp256k1' };
  return generateKeyPairSync('ec', { namedCurve: curves[kind] });
}

/** `hash` replaces SHA-256, which signers take whatever the curve. */
export function makeSigner(kind: KeyKind = 'p256', hash = 'sha256'): Signer {
  const { publicKey, privateKey } = makeKeys(kind);
  return {
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }) as string,
    sign: (bytes) => sign(kind === 'ed25519' ? null : hash, bytes, privateKey).toString('base64'),
  };
}

export interface MadeSignature {
  readonly format: 'cosign' | 'bundle';
  readonly payload: string;
  readonly signature: string;
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** Simple signing: the payload says a digest and a name. */
export function simplePayload(digest: string, name: string): Buffer {
  return Buffer.from(
    JSON.stringify({
      critical: {
        identity: { 'docker-reference': name },
        image: { 'docker-manifest-digest': digest },
        type: 'cosign container image signature',
      },
      optional: null,
    }),
  );
}

/** A signature of a payload, whatever it says. */
export const signPayload = (signer: Signer, payload: Uint8Array): MadeSignature => ({
  format: 'cosign',
  payload: base64(payload),
  signature: signer.sign(payload),
});

export const cosignSignature = (signer: Signer, digest: string, name: string): MadeSignature =>
  signPayload(signer, simplePayload(digest, name));

const statementType = 'application/vnd.in-toto+json';

/** The signed part of a bundle: an in-toto statement in a DSSE envelope. */
export function bundleSignature(
  signer: Signer,
  digest: string,
  predicateType = 'https://sigstore.dev/cosign/sign/v1',
): MadeSignature {
  const payload = Buffer.from(
    JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ digest: { sha256: digest.slice('sha256:'.length) }, annotations: {} }],
      predicateType,
      predicate: {},
    }),
  );
  const encoded = Buffer.concat([
    Buffer.from(`DSSEv1 ${statementType.length} ${statementType} ${payload.length} `),
    payload,
  ]);
  return { format: 'bundle', payload: base64(payload), signature: signer.sign(encoded) };
}

/** A blob and what a descriptor says of it. */
const described = (mediaType: string, bytes: Uint8Array) => ({
  mediaType,
  digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
  size: bytes.length,
});

/** A manifest and the blobs that belong to it, to be put into a registry. */
export interface SignatureArtifact {
  readonly tag: string;
  readonly manifest: Buffer;
  readonly blobs: readonly Buffer[];
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const payloadType = 'application/vnd.dev.cosign.simplesigning.v1+json';

/** The artifact under the tag `sha256-HEX.sig` that holds the signatures of a digest. */
export function signatureArtifact(digest: string, signatures: readonly MadeSignature[]): SignatureArtifact {
  const config = Buffer.from('{"architecture":"","os":"","config":{},"rootfs":{"type":"layers","diff_ids":[]}}');
  const payloads = signatures.map(({ payload }) => Buffer.from(payload, 'base64'));
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: described('application/vnd.oci.image.config.v1+json', config),
      layers: payloads.map((payload, at) => ({
        ...described(payloadType, payload),
        annotations: { 'dev.cosignproject.cosign/signature': signatures[at]?.signature },
      })),
    }),
  );
  return { tag: `${digest.replace(':', '-')}.sig`, manifest, blobs: [config, ...payloads] };
}

const indexType = 'application/vnd.oci.image.index.v1+json';
const bundleType = 'application/vnd.dev.sigstore.bundle.v0.3+json';

/**
 * The artifacts that hold bundles of a digest (manifests and blobs), and the list of them that belongs under the tag
 * `sha256-HEX` where a registry keeps none itself. `edit` changes the text of each bundle.
 */
export function bundleArtifacts(
  digest: string,
  signatures: readonly MadeSignature[],
  edit: (text: string) => string = (text) => text,
): { readonly list: Buffer; readonly artifacts: readonly Buffer[] } {
  const empty = Buffer.from('{}');
  const made = signatures.map(({ payload, signature }) => {
    const bundle = {
      mediaType: bundleType,
      verificationMaterial: { publicKey: { hint: '' }, tlogEntries: [] },
      dsseEnvelope: { payload, payloadType: statementType, signatures: [{ sig: signature }] },
    };
    const bytes = Buffer.from(edit(JSON.stringify(bundle)));
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: manifestType,
        artifactType: bundleType,
        config: described('application/vnd.oci.empty.v1+json', empty),
        layers: [described(bundleType, bytes)],
        subject: { mediaType: manifestType, digest, size: 1 },
      }),
    );
    return { bytes, manifest };
  });
  const manifests = made.map(({ manifest }) => ({ ...described(manifestType, manifest), artifactType: bundleType }));
  const list = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests }));
  return { list, artifacts: [empty, ...made.flatMap(({ bytes, manifest }) => [bytes, manifest])] };
}
