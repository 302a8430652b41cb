import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { invalid } from '../base/errors.ts';

/** A public key whose signatures count. */
export interface TrustKey {
  /** `FILE (SHA256:HEX)`: the file it came from, and the digest of its SubjectPublicKeyInfo. */
  readonly name: string;
  readonly key: KeyObject;
  /** Hashes that signers take with such a key, the likelier first; undefined where the scheme has its own. */
  readonly hashes: readonly ('sha256' | 'sha384' | 'sha512' | undefined)[];
}

const begin = '-----BEGIN ';
const leastRsaBits = 2048;

/**
 * Reads one public key in PEM: ECDSA (P-256, P-384, P-521), Ed25519, or RSA of 2048 bits and more.
 * @throws EngineError `invalid`; the reason does not name where the key came from
 */
export function parsePublicKey(pem: string, source: string): TrustKey {
  const at = pem.indexOf(begin);
  if (at < 0) throw invalid('it holds no public key in PEM (-----BEGIN PUBLIC KEY-----)');
  if (pem.includes(begin, at + 1)) throw invalid('it holds more than one key: use keyPaths or keyDatas with one each');
  const label = pem.slice(at + begin.length, pem.indexOf('-----', at + begin.length));
  if (label.includes('PRIVATE KEY')) throw invalid('it holds a private key: only the public one belongs here');
  if (label === 'CERTIFICATE') throw invalid('it holds a certificate: only public keys are supported');
  if (label !== 'PUBLIC KEY' && label !== 'RSA PUBLIC KEY') {
    throw invalid(`it holds ${JSON.stringify(label.slice(0, 50))}, not a PUBLIC KEY`);
  }
  const key = readKey(pem);
  const der = key.export({ type: 'spki', format: 'der' });
  const fingerprint = createHash('sha256').update(der).digest('hex');
  return { name: `${source} (SHA256:${fingerprint})`, key, hashes: hashesOf(key) };
}

function readKey(pem: string): KeyObject {
  try {
    return createPublicKey(pem);
  } catch (error) {
    throw invalid('its public key cannot be read', error);
  }
}

/** Signers of images take SHA-256 whatever the curve; newer ones the hash that fits it. */
function hashesOf(key: KeyObject): TrustKey['hashes'] {
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return [undefined];
    case 'rsa':
      if (modulusLength < leastRsaBits) {
        throw invalid(`its RSA key has ${modulusLength} bits, at least ${leastRsaBits} are needed`);
      }
      return ['sha256'];
    case 'ec':
      if (namedCurve === 'prime256v1') return ['sha256'];
      if (namedCurve === 'secp384r1') return ['sha256', 'sha384'];
      if (namedCurve === 'secp521r1') return ['sha256', 'sha512'];
      throw invalid(`its curve ${namedCurve} is not supported: P-256, P-384 and P-521 are`);
    default:
      throw invalid(`keys of the type ${key.asymmetricKeyType} are not supported: ECDSA, Ed25519 and RSA are`);
  }
}

/** Whether a signature (DER for ECDSA, PKCS #1 v1.5 for RSA) of these bytes was made with the key. */
export async function isSignedBy(
  { key, hashes }: TrustKey,
  bytes: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  for (const hash of hashes) if (await verified(hash, bytes, key, signature)) return true;
  return false;
}

/** In a thread: hostile signatures by the dozen must not hold anybody else up. */
const verified = (
  hash: string | undefined,
  bytes: Uint8Array,
  key: KeyObject,
  signature: Uint8Array,
): Promise<boolean> =>
  new Promise((resolve) => {
    // What is no signature at all is an error to some versions of the library.
    verify(hash, bytes, key, signature, (error, isGood) => resolve(error === null && isGood));
  });
