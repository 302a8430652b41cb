import { createCipheriv, createDecipheriv, randomBytes, scrypt, type ScryptOptions } from 'node:crypto';
import { EngineError } from '../../base/errors.ts';

/**
 * How the random key that encrypts a volume is kept beside it: encrypted by AES-256-GCM under a key that scrypt (RFC 7914)
 * makes of the user's one. JSON, bytes in base64.
 */
interface KeyFile {
  readonly version: 1;
  /** What the key is for; left out: fscrypt. */
  readonly for?: 'gocryptfs';
  /** Of a key that was changed: names the change that it came with. */
  readonly change?: string;
  readonly kdf: 'scrypt';
  readonly n: number;
  readonly r: number;
  readonly p: number;
  readonly salt: string;
  readonly nonce: string;
  readonly wrapped: string;
  readonly tag: string;
}

/** What encrypts the files of a volume: the kernel, or a program that serves them through FUSE. */
export type Encryption = 'fscrypt' | 'gocryptfs';

/** What fscrypt takes for AES-256-XTS; gocryptfs takes anything for a password. */
const volumeKeyBytes = 64;
/** 32 MiB and a tenth of a second for each guess. */
const cost = { n: 2 ** 15, r: 8, p: 1 } as const;
const mostMemory = 256 << 20;
const cipher = 'aes-256-gcm';
const contextOf = (encryption: Encryption): Buffer =>
  Buffer.from(encryption === 'fscrypt' ? 'gantry volume key 1' : `gantry volume key 1 ${encryption}`);

/** A volume's own key and what it encrypts with; who has it overwrites it. */
export interface VolumeKey {
  readonly key: Buffer;
  readonly encryption: Encryption;
}

/** A new random key for a volume. */
export const newVolumeKey = (encryption: Encryption): VolumeKey => ({ key: randomBytes(volumeKeyBytes), encryption });

/** The text of the file that gives a volume's key back to who has `passphrase`; `change` names why it was written anew. */
export async function sealVolumeKey(
  { key, encryption }: VolumeKey,
  passphrase: Uint8Array,
  change?: string,
): Promise<string> {
  const [salt, nonce] = [randomBytes(32), randomBytes(12)];
  const wrapping = await derive(passphrase, salt, cost);
  const encrypting = createCipheriv(cipher, wrapping, nonce).setAAD(contextOf(encryption));
  const wrapped = Buffer.concat([encrypting.update(key), encrypting.final()]);
  wrapping.fill(0);
  const base64 = (bytes: Buffer): string => bytes.toString('base64');
  const file: KeyFile = {
    version: 1,
    ...(encryption === 'fscrypt' ? {} : { for: encryption }),
    ...(change === undefined ? {} : { change }),
    kdf: 'scrypt',
    ...cost,
    salt: base64(salt),
    nonce: base64(nonce),
    wrapped: base64(wrapped),
    tag: base64(encrypting.getAuthTag()),
  };
  return `${JSON.stringify(file)}\n`;
}

/** What a volume is encrypted with, by the text of its key's file. @throws corrupt. */
export const encryptionOf = (text: string): Encryption => parse(text).for ?? 'fscrypt';

/** The change that a file came with; undefined also for a damaged one. */
export function changeOf(text: string): string | undefined {
  try {
    return parse(text).change;
  } catch {
    return undefined;
  }
}

/** The key of a volume; undefined when `passphrase` is the wrong one. The caller overwrites it. @throws corrupt. */
export async function readVolumeKey(text: string, passphrase: Uint8Array): Promise<VolumeKey | undefined> {
  const { n, r, p, salt, nonce, wrapped, tag, for: encryption = 'fscrypt' } = parse(text);
  const wrapping = await derive(passphrase, Buffer.from(salt, 'base64'), { n, r, p });
  try {
    const decrypting = createDecipheriv(cipher, wrapping, Buffer.from(nonce, 'base64')).setAAD(contextOf(encryption));
    decrypting.setAuthTag(Buffer.from(tag, 'base64'));
    return { key: Buffer.concat([decrypting.update(Buffer.from(wrapped, 'base64')), decrypting.final()]), encryption };
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
  const isKnown = file?.version === 1 && (file.for === undefined || file.for === 'gocryptfs');
  if (isKnown && file?.kdf === 'scrypt' && typeof file.wrapped === 'string') return file as KeyFile;
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
