import { createCipheriv, createDecipheriv, randomBytes, scrypt, type ScryptOptions } from 'node:crypto';
import { EngineError } from '../../base/errors.ts';

/**
 * How the random key that encrypts a volume is kept beside it: encrypted by AES-256-GCM under a key that scrypt (RFC 7914)
 * makes of the user's one. JSON, bytes in base64.
 */
interface KeyFile {
  readonly version: 1;
  readonly kdf: 'scrypt';
  readonly n: number;
  readonly r: number;
  readonly p: number;
  readonly salt: string;
  readonly nonce: string;
  readonly wrapped: string;
  readonly tag: string;
}

/** What fscrypt takes for AES-256-XTS. */
const volumeKeyBytes = 64;
/** 32 MiB and a tenth of a second for each guess. */
const cost = { n: 2 ** 15, r: 8, p: 1 } as const;
const mostMemory = 256 << 20;
const cipher = 'aes-256-gcm';
const context = Buffer.from('gantry volume key 1');

/** A new random key for a volume, and the text of the file that gives it back to who has `passphrase`. */
export async function newVolumeKey(passphrase: Uint8Array): Promise<{ key: Buffer; text: string }> {
  const key = randomBytes(volumeKeyBytes);
  const [salt, nonce] = [randomBytes(32), randomBytes(12)];
  const wrapping = await derive(passphrase, salt, cost);
  const encrypting = createCipheriv(cipher, wrapping, nonce).setAAD(context);
  const wrapped = Buffer.concat([encrypting.update(key), encrypting.final()]);
  wrapping.fill(0);
  const base64 = (bytes: Buffer): string => bytes.toString('base64');
  const file: KeyFile = {
    version: 1,
    kdf: 'scrypt',
    ...cost,
    salt: base64(salt),
    nonce: base64(nonce),
    wrapped: base64(wrapped),
    tag: base64(encrypting.getAuthTag()),
  };
  return { key, text: `${JSON.stringify(file)}\n` };
}

/** The key of a volume; undefined when `passphrase` is the wrong one. The caller overwrites it. @throws corrupt. */
export async function readVolumeKey(text: string, passphrase: Uint8Array): Promise<Buffer | undefined> {
  const { n, r, p, salt, nonce, wrapped, tag } = parse(text);
  const wrapping = await derive(passphrase, Buffer.from(salt, 'base64'), { n, r, p });
  try {
    const decrypting = createDecipheriv(cipher, wrapping, Buffer.from(nonce, 'base64')).setAAD(context);
    decrypting.setAuthTag(Buffer.from(tag, 'base64'));
    return Buffer.concat([decrypting.update(Buffer.from(wrapped, 'base64')), decrypting.final()]);
  } catch {
    return undefined;
  } finally {
    wrapping.fill(0);
  }
}

function parse(text: string): KeyFile {
  let file: Partial<KeyFile> | null = null;
  try {
    file = JSON.parse(text) as Partial<KeyFile> | null;
  } catch {
    // Said below.
  }
  if (file?.version === 1 && file.kdf === 'scrypt' && typeof file.wrapped === 'string') return file as KeyFile;
  throw new EngineError('corrupt', 'the file with the encrypted key of the volume is damaged');
}

function derive(
  passphrase: Uint8Array,
  salt: Uint8Array,
  { n, r, p }: { readonly n: number; readonly r: number; readonly p: number },
): Promise<Buffer> {
  const options: ScryptOptions = { N: n, r, p, maxmem: mostMemory };
  return new Promise((resolve, reject) => {
    scrypt(passphrase, salt, 32, options, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}
