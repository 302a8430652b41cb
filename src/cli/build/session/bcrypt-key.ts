import { createHash } from 'node:crypto';
import { Blowfish } from './blowfish.ts';

const sha512 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha512');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

const wordsOf = (bytes: Buffer): Uint32Array =>
  Uint32Array.from({ length: bytes.length / 4 }, (_value, at) => bytes.readUInt32BE(at * 4));

const text = Buffer.from('OxychromaticBlowfishSwatDynamite');
const hashBytes = 32;

/** 32 bytes out of two hashes (bcrypt_hash of OpenBSD's bcrypt_pbkdf). */
function bcryptHash(password: Buffer, salt: Buffer): Buffer {
  const [key, more] = [wordsOf(password), wordsOf(salt)];
  const state = new Blowfish();
  state.expand(key, more);
  for (let round = 0; round < 64; round++) {
    state.expand(more);
    state.expand(key);
  }
  const data = wordsOf(text);
  for (let at = 0; at < data.length; at += 2) for (let round = 0; round < 64; round++) state.encipherAt(data, at);
  const out = Buffer.alloc(hashBytes);
  for (const [at, value] of data.entries()) out.writeUInt32LE(value, at * 4);
  return out;
}

/** The key that OpenSSH makes of a passphrase (bcrypt_pbkdf). */
export function bcryptKey(passphrase: string, salt: Uint8Array, rounds: number, length: number): Buffer {
  const password = sha512(Buffer.from(passphrase));
  const key = Buffer.alloc(length);
  const blocks = Math.ceil(length / hashBytes);
  for (let block = 0; block < blocks; block++) {
    const count = Buffer.alloc(4);
    count.writeUInt32BE(block + 1);
    let last = bcryptHash(password, sha512(salt, count));
    const sum = Buffer.from(last);
    for (let round = 1; round < rounds; round++) {
      last = bcryptHash(password, sha512(last));
      for (const [at, value] of last.entries()) sum[at] = (sum[at] as number) ^ value;
    }
    // Neighbours in the key come from different blocks.
    for (let at = 0; at * blocks + block < length; at++) key[at * blocks + block] = sum[at] as number;
  }
  return key;
}
