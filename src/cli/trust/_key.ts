import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { messageOf } from '../../base/errors.ts';
import { CliError } from '../errors.ts';

/** A private key that makes signatures of images. */
export interface SigningKey {
  /** Base64: DER for ECDSA, PKCS #1 v1.5 for RSA, over SHA-256; Ed25519 as it is. */
  sign(bytes: Uint8Array): string;
}

/** Reads a private key in PEM, not encrypted. @throws CliError */
export function readSigningKey(path: string): SigningKey {
  const pem = readText(path);
  if (/-----BEGIN ENCRYPTED (COSIGN|SIGSTORE) PRIVATE KEY-----/.test(pem)) {
    throw new CliError(
      `${path}: a key that cosign has encrypted is not supported: only PKCS #8 in PEM without a password`,
    );
  }
  if (pem.includes('ENCRYPTED')) throw new CliError(`${path}: encrypted keys are not supported`);
  const key = parseKey(path, pem);
  const hash = hashFor(path, key);
  return { sign: (bytes) => sign(hash, bytes, key).toString('base64') };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CliError(`unable to read the key: ${messageOf(error)}`);
  }
}

function parseKey(path: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw new CliError(`${path}: it holds no private key in PEM`);
  }
}

function hashFor(path: string, { asymmetricKeyType, asymmetricKeyDetails }: KeyObject): 'sha256' | undefined {
  const { modulusLength = 0 } = asymmetricKeyDetails ?? {};
  if (asymmetricKeyType === 'ed25519') return undefined;
  if (asymmetricKeyType === 'ec') return 'sha256';
  if (asymmetricKeyType === 'rsa' && modulusLength >= 2048) return 'sha256';
  throw new CliError(
    `${path}: ${asymmetricKeyType} keys${modulusLength > 0 ? ` of ${modulusLength} bits` : ''} are not supported: ECDSA, Ed25519 and RSA from 2048 bits are`,
  );
}
