import {
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  type JsonWebKeyInput,
  type KeyObject,
  sign,
} from 'node:crypto';

import { bcryptKey } from './bcrypt-key.ts';

type JsonWebKey = JsonWebKeyInput['key'];

/** A private key as an agent has it. */
export interface AgentKey {
  /** As SSH has public keys (RFC 4253, section 6.6; RFC 5656; RFC 8709). */
  readonly publicBlob: Buffer;
  readonly comment: string;
  readonly privateKey: KeyObject;
}

const opening = '-----BEGIN OPENSSH PRIVATE KEY-----';
const magic = 'openssh-key-v1\0';

/** A key that cannot be read without its passphrase. */
export class LockedKey extends Error {}

/**
 * Reads a private key: OpenSSH's format, or PEM as OpenSSL writes it. @throws LockedKey for one with a passphrase where
 * none is given; Error, also for a wrong passphrase
 */
export function readAgentKey(text: string, comment: string, passphrase?: string): AgentKey {
  if (text.includes(opening)) {
    return openSshKey(Buffer.from(text.replaceAll(/-----[^-]*-----|\s/g, ''), 'base64'), passphrase);
  }
  const isLocked = /^-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(text);
  if (isLocked && passphrase === undefined) throw new LockedKey('the key has a passphrase');
  const privateKey = isLocked ? unlockedPem(text, passphrase ?? '') : createPrivateKey(text);
  return { privateKey, publicBlob: publicBlobOf(privateKey), comment };
}

function unlockedPem(key: string, passphrase: string): KeyObject {
  try {
    return createPrivateKey({ key, passphrase });
  } catch (cause) {
    throw new Error(wrongPassphrase, { cause });
  }
}

const wrongPassphrase = 'wrong passphrase';

/** Strings and numbers of SSH's protocols (RFC 4251, section 5). */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  number(): number {
    if (this.#at + 4 > this.#bytes.length) throw new Error('the key is cut off');
    this.#at += 4;
    return this.#bytes.readUInt32BE(this.#at - 4);
  }

  string(): Buffer {
    const length = this.number();
    if (this.#at + length > this.#bytes.length) throw new Error('the key is cut off');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  text(): string {
    return this.string().toString('latin1');
  }

  rest(): Buffer {
    return this.#bytes.subarray(this.#at);
  }
}

const sshNumber = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const sshString = (bytes: Buffer | string): Buffer => {
  const content = Buffer.from(bytes as string);
  return Buffer.concat([sshNumber(content.length), content]);
};
/** A number that is not negative: without zeros in front, but with one where the first bit would be a sign. */
function mpint(bytes: Buffer): Buffer {
  let from = 0;
  while (from < bytes.length && bytes[from] === 0) from++;
  const bare = bytes.subarray(from);
  return sshString((bare[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), bare]) : bare);
}

const curves = {
  nistp256: { jwk: 'P-256', bytes: 32, hash: 'sha256' },
  nistp384: { jwk: 'P-384', bytes: 48, hash: 'sha384' },
  nistp521: { jwk: 'P-521', bytes: 66, hash: 'sha512' },
} as const;
type Curve = keyof typeof curves;

function openSshKey(bytes: Buffer, passphrase: string | undefined): AgentKey {
  if (bytes.toString('latin1', 0, magic.length) !== magic) throw new Error('no private key of OpenSSH');
  const reader = new Reader(bytes.subarray(magic.length));
  const cipher = reader.text();
  const kdf = reader.text();
  const kdfOptions = reader.string();
  if (reader.number() !== 1) throw new Error('expected one key');
  const publicBlob = reader.string();
  const stored = reader.string();
  const isLocked = cipher !== 'none';
  if (isLocked && passphrase === undefined) throw new LockedKey('the key has a passphrase');
  const lock = { cipher, kdf, kdfOptions, tag: reader.rest() };
  const secret = new Reader(isLocked ? unlocked(stored, lock, passphrase ?? '') : stored);
  if (secret.number() !== secret.number()) throw new Error(isLocked ? wrongPassphrase : 'the key is damaged');
  const key = privateJwk(secret);
  const comment = secret.text();
  return { privateKey: createPrivateKey({ key, format: 'jwk' }), publicBlob, comment };
}

interface Lock {
  readonly cipher: string;
  readonly kdf: string;
  readonly kdfOptions: Buffer;
  /** What stands behind the secret part, of ciphers that check it. */
  readonly tag: Buffer;
}

const aes = /^aes(128|192|256)-(ctr|cbc|gcm@openssh\.com)$/;
/** `ssh-keygen -a` of people who want to wait. */
const mostRounds = 10_000;

/** The secret part of a key in the clear, as OpenSSH's PROTOCOL.key has it. @throws Error */
function unlocked(stored: Buffer, { cipher, kdf, kdfOptions, tag }: Lock, passphrase: string): Buffer {
  const [, bits = '', mode = ''] = aes.exec(cipher) ?? [];
  if (bits === '' || kdf !== 'bcrypt') {
    throw new Error(`keys locked by ${cipher} and ${kdf} cannot be used here: add it to an agent instead (ssh-add)`);
  }
  const options = new Reader(kdfOptions);
  const salt = options.string();
  const rounds = options.number();
  if (rounds < 1 || rounds > mostRounds)
    throw new Error(`the key wants ${rounds} rounds: at most ${mostRounds} are made`);
  const keyBytes = Number(bits) / 8;
  const made = bcryptKey(passphrase, salt, rounds, keyBytes + (mode.startsWith('gcm') ? 12 : 16));
  const [key, iv] = [made.subarray(0, keyBytes), made.subarray(keyBytes)];
  try {
    if (mode.startsWith('gcm')) {
      const opened = createDecipheriv(`aes-${bits}-gcm` as 'aes-256-gcm', key, iv).setAuthTag(tag);
      return Buffer.concat([opened.update(stored), opened.final()]);
    }
    const opened = createDecipheriv(`aes-${bits}-${mode}`, key, iv).setAutoPadding(false);
    return Buffer.concat([opened.update(stored), opened.final()]);
  } catch (cause) {
    throw new Error(wrongPassphrase, { cause });
  }
}

const encoded = (bytes: Buffer): string => bytes.toString('base64url');

function privateJwk(secret: Reader): JsonWebKey {
  const type = secret.text();
  if (type === 'ssh-ed25519') {
    const x = secret.string();
    const seed = secret.string().subarray(0, 32);
    return { kty: 'OKP', crv: 'Ed25519', x: encoded(x), d: encoded(seed) };
  }
  if (type === 'ssh-rsa') {
    const [n, e, d, qi, p, q] = [0, 1, 2, 3, 4, 5].map(() => unsigned(secret.string()));
    if (
      n === undefined ||
      e === undefined ||
      d === undefined ||
      qi === undefined ||
      p === undefined ||
      q === undefined
    ) {
      throw new Error('the key is cut off');
    }
    const parts = { n, e, d, p, q, dp: rest(d, p), dq: rest(d, q), qi };
    return { kty: 'RSA', ...Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, encoded(part)])) };
  }
  const curve = Object.hasOwn(curves, type.replace('ecdsa-sha2-', ''))
    ? (type.replace('ecdsa-sha2-', '') as Curve)
    : undefined;
  if (curve === undefined)
    throw new Error(`keys of the type ${type} cannot be used here: add it to an agent (ssh-add)`);
  secret.text();
  const point = secret.string();
  const { jwk, bytes } = curves[curve];
  const d = unsigned(secret.string());
  const padded = Buffer.concat([Buffer.alloc(Math.max(0, bytes - d.length)), d]);
  const [x, y] = [point.subarray(1, 1 + bytes), point.subarray(1 + bytes)];
  return { kty: 'EC', crv: jwk, x: encoded(x), y: encoded(y), d: encoded(padded) };
}

const unsigned = (bytes: Buffer): Buffer => (bytes[0] === 0 ? bytes.subarray(1) : bytes);

/** `d` modulo `prime - 1`, which OpenSSH does not keep. */
function rest(d: Buffer, prime: Buffer): Buffer {
  const value = BigInt(`0x${d.toString('hex')}`) % (BigInt(`0x${prime.toString('hex')}`) - 1n);
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
}

function publicBlobOf(privateKey: KeyObject): Buffer {
  const { kty, crv, n = '', e = '', x = '', y = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
  const part = (text: string): Buffer => Buffer.from(text, 'base64url');
  if (kty === 'RSA') return Buffer.concat([sshString('ssh-rsa'), mpint(part(e)), mpint(part(n))]);
  if (kty === 'OKP' && crv === 'Ed25519') return Buffer.concat([sshString('ssh-ed25519'), sshString(part(x))]);
  const curve = (Object.keys(curves) as Curve[]).find((name) => curves[name].jwk === crv);
  if (curve === undefined) throw new Error(`keys of the type ${kty} ${crv ?? ''} cannot be used here`);
  const point = Buffer.concat([Buffer.of(4), part(x), part(y)]);
  return Buffer.concat([sshString(`ecdsa-sha2-${curve}`), sshString(curve), sshString(point)]);
}

/** No client sends more: signatures are made of hashes and names. */
const longestMessage = 256 << 10;

/** The answers of such an agent to what a client sends. @throws Error for a message that is too long */
export async function* agentAnswers(
  keys: readonly AgentKey[],
  requests: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer> {
  let waiting: Buffer = Buffer.alloc(0);
  for await (const bytes of requests) {
    waiting = Buffer.concat([waiting, bytes]);
    while (waiting.length >= 4) {
      const length = waiting.readUInt32BE(0);
      if (length > longestMessage) throw new Error('a message to the agent is too long');
      if (waiting.length < 4 + length) break;
      yield sshString(answerAsAgent(keys, waiting.subarray(4, 4 + length)));
      waiting = waiting.subarray(4 + length);
    }
  }
}

/** Messages of the agent's protocol (draft-ietf-sshm-ssh-agent). */
const messages = { failure: 5, listKeys: 11, keys: 12, signRequest: 13, signature: 14 } as const;
const rsaFlags = { sha256: 2, sha512: 4 } as const;

/** Answers one message of a client, without its length in front, as an agent that has these keys and keeps them. */
function answerAsAgent(keys: readonly AgentKey[], request: Buffer): Buffer {
  try {
    if (request[0] === messages.listKeys) {
      const listed = keys.flatMap(({ publicBlob, comment }) => [sshString(publicBlob), sshString(comment)]);
      return Buffer.concat([Buffer.of(messages.keys), sshNumber(keys.length), ...listed]);
    }
    if (request[0] === messages.signRequest) {
      const reader = new Reader(request.subarray(1));
      const blob = reader.string();
      const data = reader.string();
      const flags = reader.number();
      const key = keys.find(({ publicBlob }) => publicBlob.equals(blob));
      if (key !== undefined)
        return Buffer.concat([Buffer.of(messages.signature), sshString(signatureOf(key, data, flags))]);
    }
  } catch {
    // What nobody understands is a failure, too.
  }
  return Buffer.of(messages.failure);
}

function signatureOf({ publicBlob, privateKey }: AgentKey, data: Buffer, flags: number): Buffer {
  const type = new Reader(publicBlob).text();
  if (type === 'ssh-ed25519') return Buffer.concat([sshString(type), sshString(sign(null, data, privateKey))]);
  if (type === 'ssh-rsa') {
    const hash = (flags & rsaFlags.sha512) !== 0 ? 'sha512' : (flags & rsaFlags.sha256) !== 0 ? 'sha256' : 'sha1';
    const name = hash === 'sha1' ? type : `rsa-sha2-${hash.slice(3)}`;
    return Buffer.concat([sshString(name), sshString(sign(hash, data, privateKey))]);
  }
  const { hash, bytes } = curves[type.replace('ecdsa-sha2-', '') as Curve];
  const pair = sign(hash, data, { key: privateKey, dsaEncoding: 'ieee-p1363' });
  const numbers = Buffer.concat([mpint(pair.subarray(0, bytes)), mpint(pair.subarray(bytes))]);
  return Buffer.concat([sshString(type), sshString(numbers)]);
}
