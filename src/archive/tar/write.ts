import { EngineError } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import { blockSize } from './_header.ts';
import { sparsePrefix, xattrPrefix } from './_pax.ts';
import { type ByteString, quoteName, type TarEntry, type TarEntryType } from './entry.ts';

const flags: Readonly<Record<TarEntryType, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

/**
 * The header blocks of one member in canonical form: ustar when everything fits, else one PAX header with its records
 * sorted by key in front. The same entry always gives the same bytes. User and group names are left empty.
 */
export const encodeTarHeader = (entry: TarEntry): Buffer => encodeHeader(entry, []);

/** A part of a file that is in the archive, in bytes. */
export interface SparsePart {
  readonly offset: number;
  readonly length: number;
}

/**
 * The header blocks of a file of `entry.size` bytes of which only `parts` are in the archive, in order and not
 * overlapping, and zeros elsewhere: GNU's format 1.0 for PAX (GNU tar manual, "Storing Sparse Files"). The parts' bytes follow, one
 * behind the other, then padding up to a whole block. Undefined when the list of parts is too long for readers.
 */
export function encodeSparseHeader(entry: TarEntry, parts: readonly SparsePart[]): Buffer | undefined {
  // Where the file ends shows in the list, too.
  const pairs = [...parts, { offset: entry.size, length: 0 }];
  const list = Buffer.from([pairs.length, ...pairs.flatMap(({ offset, length }) => [offset, length]), ''].join('\n'));
  if (list.length > mostListBytes) return undefined;
  const map = Buffer.concat([list, tarPadding(list.length)]);
  const stored = parts.reduce((sum, { length }) => sum + length, map.length);
  const records: Records = [
    [`${sparsePrefix}major`, '1'],
    [`${sparsePrefix}minor`, '0'],
    [`${sparsePrefix}name`, entry.name],
    [`${sparsePrefix}realsize`, String(entry.size)],
  ];
  return Buffer.concat([encodeHeader({ ...entry, name: sparseName(entry.name), size: stored }, records), map]);
}

/** Readers take no longer ones. */
const mostListBytes = 1 << 20;

/** What readers that know nothing of sparse files call it. */
function sparseName(name: ByteString): ByteString {
  const slash = name.lastIndexOf('/') + 1;
  return `${name.slice(0, slash)}GNUSparseFile.0/${name.slice(slash)}`;
}

type Records = readonly [key: string, value: Uint8Array | string][];

function encodeHeader(entry: TarEntry, more: Records): Buffer {
  const records = paxRecords(entry, more);
  const main = encodeUstar(entry, flags[entry.type]);
  if (records.length === 0) return main;
  const body = Buffer.concat(records);
  const pax = encodeUstar(
    {
      ...entry,
      name: paxHeaderName(entry.name),
      linkName: '',
      size: body.length,
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtime: 0,
    },
    'x',
  );
  return Buffer.concat([pax, body, tarPadding(body.length), main]);
}

/** The zeros that fill content of `size` bytes up to a whole block. */
export const tarPadding = (size: number): Buffer => zeros.subarray(0, (blockSize - (size % blockSize)) % blockSize);

/** Two zero blocks. */
export const tarTrailer = (): Buffer => zeros;

const zeros = Buffer.alloc(2 * blockSize);

/** So many bytes are given away together: an archive of small files would be three pieces for each of them. */
const gatherBytes = 256 << 10;
/** Pieces of this size are not copied. */
const wholeFrom = 64 << 10;

/**
 * `kept`: each piece of the archive is the taker's own, but for pieces of bodies that were too large to copy. `passing`: a
 * piece is only valid until the next one is asked for, and no memory is used for the next one.
 */
export type TarPieces = 'kept' | 'passing';

/** Puts small pieces together. */
class Gatherer {
  readonly #pieces: TarPieces;
  /** The one that is filled, and the one before where that is used again: it may not have been taken yet. */
  #block: Buffer | undefined;
  #other: Buffer | undefined;
  #filled = 0;
  readonly #full: Uint8Array[] = [];

  constructor(pieces: TarPieces) {
    this.#pieces = pieces;
  }

  /** Between two calls what is full must be taken. */
  add(bytes: Uint8Array): void {
    if (bytes.length >= wholeFrom) {
      this.flush();
      this.#full.push(bytes);
      return;
    }
    for (let at = 0; at < bytes.length; ) {
      this.#block ??= Buffer.allocUnsafeSlow(gatherBytes);
      const count = Math.min(bytes.length - at, this.#block.length - this.#filled);
      this.#block.set(count === bytes.length ? bytes : bytes.subarray(at, at + count), this.#filled);
      at += count;
      this.#filled += count;
      if (this.#filled === this.#block.length) this.flush();
    }
  }

  /** What is there is to be taken, however small. */
  flush(): void {
    if (this.#block === undefined || this.#filled === 0) return;
    const block = this.#block;
    this.#full.push(block.subarray(0, this.#filled));
    if (this.#pieces === 'passing') [this.#block, this.#other] = [this.#other, block];
    else this.#block = this.#filled === block.length ? undefined : block.subarray(this.#filled);
    this.#filled = 0;
  }

  get hasFull(): boolean {
    return this.#full.length > 0;
  }

  take(): Uint8Array[] {
    return this.#full.splice(0);
  }
}

/**
 * An archive of `members` in their order. The body of a member must have exactly `entry.size` bytes; a piece of it is only
 * valid until the next one is asked for.
 * @throws EngineError `internal` when it has not: the archive is then unusable.
 */
export async function* writeTar(
  members: AsyncIterable<{ readonly entry: TarEntry; readonly body?: ByteStream }>,
  pieces: TarPieces = 'kept',
): AsyncGenerator<Uint8Array, void, undefined> {
  const gatherer = new Gatherer(pieces);
  for await (const { entry, body } of members) {
    gatherer.add(encodeTarHeader(entry));
    if (gatherer.hasFull) yield* gatherer.take();
    let written = 0;
    if (body !== undefined) {
      for await (const chunk of body) {
        written += chunk.length;
        if (written > entry.size) break;
        gatherer.add(chunk);
        if (gatherer.hasFull) yield* gatherer.take();
      }
    }
    if (written !== entry.size) {
      throw new EngineError('internal', `tar: ${quoteName(entry.name)} changed its size while it was read`);
    }
    gatherer.add(tarPadding(entry.size));
    if (gatherer.hasFull) yield* gatherer.take();
  }
  gatherer.add(tarTrailer());
  if (gatherer.hasFull) yield* gatherer.take();
  gatherer.flush();
  yield* gatherer.take();
}

const maxOctal = (digits: number): number => 8 ** digits - 1;

/** Where name and prefix go: the name's last 100 bytes at most, split at a slash; undefined when it does not fit. */
function splitName(name: string): readonly [prefix: string, name: string] | undefined {
  if (name.length <= 100) return ['', name];
  const slash = name.indexOf('/', name.length - 101);
  if (slash <= 0 || slash > 155 || slash === name.length - 1) return undefined;
  return [name.slice(0, slash), name.slice(slash + 1)];
}

const isAscii = (text: string): boolean => {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 127) return false;
  return true;
};

function paxRecords(entry: TarEntry, more: Records): Buffer[] {
  const records: [string, Uint8Array | string][] = [...more];
  if (!isAscii(entry.name) || splitName(entry.name) === undefined) records.push(['path', entry.name]);
  if (!isAscii(entry.linkName) || entry.linkName.length > 100) records.push(['linkpath', entry.linkName]);
  if (entry.size > maxOctal(11)) records.push(['size', String(entry.size)]);
  if (entry.uid > maxOctal(7)) records.push(['uid', String(entry.uid)]);
  if (entry.gid > maxOctal(7)) records.push(['gid', String(entry.gid)]);
  if (entry.mtimeNsec !== 0 || entry.mtime < 0 || entry.mtime > maxOctal(11))
    records.push(['mtime', decimalTime(entry)]);
  for (const [name, value] of entry.xattrs ?? []) records.push([xattrPrefix + name, value]);
  records.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return records.map(([key, value]) => encodeRecord(key, value));
}

function decimalTime({ mtime, mtimeNsec }: TarEntry): string {
  const negative = mtime < 0;
  const borrowed = negative && mtimeNsec > 0;
  const seconds = negative ? (borrowed ? -mtime - 1 : -mtime) : mtime;
  const nanos = borrowed ? 1e9 - mtimeNsec : mtimeNsec;
  let fraction = nanos === 0 ? '' : `.${String(nanos).padStart(9, '0')}`;
  while (fraction.endsWith('0')) fraction = fraction.slice(0, -1);
  return `${negative ? '-' : ''}${seconds}${fraction}`;
}

/** `length key=value\n`, where length counts its own digits. */
function encodeRecord(key: string, value: Uint8Array | string): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  const rest = key.length + bytes.length + 3;
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return Buffer.concat([Buffer.from(`${length} ${key}=`, 'latin1'), bytes, Buffer.from('\n')]);
}

function paxHeaderName(name: string): string {
  const base = name.slice(0, name.endsWith('/') ? -1 : undefined);
  return `PaxHeaders.0/${base.slice(base.lastIndexOf('/') + 1)}`.slice(0, 100);
}

function encodeUstar(entry: TarEntry, flag: string): Buffer {
  const block = Buffer.allocUnsafe(blockSize).fill(0);
  const [prefix, name] = splitName(entry.name) ?? ['', entry.name.slice(0, 100)];
  block.write(name, 0, 100, 'latin1');
  writeOctal(block, entry.mode, 100, 7);
  writeOctal(block, entry.uid, 108, 7);
  writeOctal(block, entry.gid, 116, 7);
  writeOctal(block, entry.size, 124, 11);
  writeOctal(block, entry.mtime, 136, 11);
  block.write(flag, 156, 'latin1');
  if (entry.linkName !== '') block.write(entry.linkName, 157, 100, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  if (entry.type === 'char' || entry.type === 'block') {
    writeOctal(block, entry.major, 329, 7);
    writeOctal(block, entry.minor, 337, 7);
  }
  if (prefix !== '') block.write(prefix, 345, 155, 'latin1');
  let sum = 8 * 0x20;
  for (let at = 0; at < blockSize; at++) sum += block[at] ?? 0;
  writeOctal(block, sum, 148, 6);
  block[155] = 0x20;
  return block;
}

/** Zero where it does not fit: a PAX record says it then. */
function writeOctal(block: Buffer, value: number, at: number, digits: number): void {
  let left = value >= 0 && value <= maxOctal(digits) ? value : 0;
  for (let digit = digits - 1; digit >= 0; digit--) {
    block[at + digit] = 0x30 + (left % 8);
    left = Math.floor(left / 8);
  }
}
