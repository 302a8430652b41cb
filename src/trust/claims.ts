import { invalid } from '../base/errors.ts';
import { type Digest, parseDigest } from '../base/ids.ts';
import type { ImageSignature } from '../spec/contract/trust.ts';
import {
  type JsonObject,
  objectOf,
  optionalList,
  optionalObject,
  parseJsonObject,
  requiredString,
} from '../spec/oci/json.ts';
import type { Reference } from '../spec/reference/reference.ts';
import { tryReference } from './identity.ts';
import { refuseRepeatedKeys } from './_unique-keys.ts';

/** What a signature says, to be believed only once the signature itself was verified. */
export interface SignedClaims {
  readonly digests: readonly Digest[];
  /** As the signer wrote it; undefined where the format has no such claim. */
  readonly identity: string | undefined;
  /** The same as a name of an image, where it is one. */
  readonly reference: Reference | undefined;
}

const statementType = 'application/vnd.in-toto+json';
const statementSchemas: readonly string[] = ['https://in-toto.io/Statement/v1', 'https://in-toto.io/Statement/v0.1'];
/** Of a signature of an image; an attestation about it (provenance, SBOM) by the same key is none. */
const signaturePredicate = 'https://sigstore.dev/cosign/sign/v1';
const mostSubjects = 100;

/** The bytes that are signed: the payload, or the envelope's pre-authentication encoding of it (DSSE 1.0). */
export function signedBytes({ format, payload }: ImageSignature): Uint8Array {
  const bytes = Buffer.from(payload, 'base64');
  if (format === 'cosign') return bytes;
  return Buffer.concat([Buffer.from(`DSSEv1 ${statementType.length} ${statementType} ${bytes.length} `), bytes]);
}

/** @throws EngineError `invalid` for a payload that is not exactly what its format wants */
export function claimsOf({ format, payload }: ImageSignature): SignedClaims {
  const bytes = Buffer.from(payload, 'base64');
  const json = parseJsonObject(bytes, 'payload of the signature');
  refuseRepeatedKeys(bytes.toString('utf8'), 'payload of the signature');
  return format === 'cosign' ? simpleClaims(json) : statementClaims(json);
}

/** Simple signing (containers-signature(5), "JSON data format"), with the type that sigstore's signers write. */
function simpleClaims(json: JsonObject): SignedClaims {
  only(json, 'payload', ['critical', 'optional']);
  const critical = objectOf(json['critical'], 'critical');
  only(critical, 'critical', ['type', 'image', 'identity']);
  if (critical['type'] !== 'cosign container image signature')
    throw invalid('critical.type is not that of a signature');
  const image = objectOf(critical['image'], 'critical.image');
  only(image, 'critical.image', ['docker-manifest-digest']);
  const identity = objectOf(critical['identity'], 'critical.identity');
  only(identity, 'critical.identity', ['docker-reference']);
  optionalObject(json['optional'], 'optional');
  const digest = requiredString(image['docker-manifest-digest'], 'docker-manifest-digest');
  const name = identity['docker-reference'];
  if (typeof name !== 'string') throw invalid('critical.identity.docker-reference must be a string');
  return { digests: [parseDigest(digest, 'docker-manifest-digest')], identity: name, reference: tryReference(name) };
}

/** A signer that knows a field that this reader does not know may mean something else by the whole. */
function only(json: JsonObject, what: string, known: readonly string[]): void {
  for (const key of Object.keys(json)) {
    if (!known.includes(key)) throw invalid(`${what} has the unknown field ${JSON.stringify(key.slice(0, 100))}`);
  }
}

/** An in-toto statement, as cosign 3 signs images: its subject has a digest and no name. */
function statementClaims(json: JsonObject): SignedClaims {
  const schema = requiredString(json['_type'], '_type');
  if (!statementSchemas.includes(schema)) throw invalid(`_type ${JSON.stringify(schema.slice(0, 100))} is not known`);
  const predicate = requiredString(json['predicateType'], 'predicateType');
  if (predicate !== signaturePredicate) {
    throw invalid(`it is an attestation (${predicate.slice(0, 100)}), no signature of an image`);
  }
  const subjects = optionalList(json['subject'], 'subject', mostSubjects, (value, what) => {
    const digest = objectOf(objectOf(value, what)['digest'], `${what}.digest`);
    return parseDigest(`sha256:${requiredString(digest['sha256'], `${what}.digest.sha256`)}`);
  });
  return { digests: subjects ?? [], identity: undefined, reference: undefined };
}
