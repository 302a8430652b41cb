import { EngineError } from '../../base/errors.ts';
import type { ByteString } from './entry.ts';

// The 512-byte header: POSIX.1-2017 pax(1) "ustar interchange format", and GNU tar's variations of it.
export const blockSize = 512;
const field = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  linkName: [157, 100],
  major: [329, 8],
  minor: [337, 8],
  prefix: [345, 155],
} as const satisfies Record<string, readonly [number, number]>;
const typeAt = 156;
const magicAt = 257;

/** A header as it is in the archive, before extension headers change it. */
export interface RawHeader {
  /** The type flag's character. */
  readonly flag: string;
  readonly name: ByteString;
  readonly linkName: ByteString;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly major: number;
  readonly minor: number;
}

/** True when the whole block is zero: the end marker of an archive is two of them. */
export function isZeroBlock(buffer: Buffer, at: number): boolean {
  for (let i = at; i < at + blockSize; i++) if (buffer[i] !== 0) return false;
  return true;
}

/** @throws EngineError `corrupt` for a wrong checksum or an unreadable number. */
export function decodeHeader(buffer: Buffer, at: number): RawHeader {
  verifyChecksum(buffer, at);
  const flag = String.fromCharCode(buffer[at + typeAt] ?? 0);
  const isUstar = buffer.toString('latin1', at + magicAt, at + magicAt + 6) === 'ustar\0';
  const name = text(buffer, at, field.name);
  const prefix = isUstar ? text(buffer, at, field.prefix) : '';
  const isDevice = flag === '3' || flag === '4';
  return {
    flag,
    name: prefix === '' ? name : `${prefix}/${name}`,
    linkName: text(buffer, at, field.linkName),
    mode: number(buffer, at, 'mode', name),
    uid: number(buffer, at, 'uid', name),
    gid: number(buffer, at, 'gid', name),
    size: number(buffer, at, 'size', name),
    mtime: number(buffer, at, 'mtime', name),
    major: isDevice ? number(buffer, at, 'major', name) : 0,
    minor: isDevice ? number(buffer, at, 'minor', name) : 0,
  };
}

/** The sum of all bytes of the header, with blanks in the place of the sum itself. */
function verifyChecksum(buffer: Buffer, at: number): void {
  const [from, length] = field.checksum;
  let sum = 0x20 * length;
  for (let i = at; i < at + blockSize; i++) sum += buffer[i] as number;
  for (let i = at + from; i < at + from + length; i++) sum -= buffer[i] as number;
  const stored = number(buffer, at, 'checksum', '');
  if (stored !== sum && stored !== sum - 256 * highBytes(buffer, at)) {
    throw new EngineError('corrupt', 'tar: a header has a wrong checksum');
  }
}

/** Some old archivers summed signed chars: each of these counts 256 less there. */
function highBytes(buffer: Buffer, at: number): number {
  const [from, length] = field.checksum;
  let count = 0;
  for (let i = 0; i < blockSize; i++) {
    if ((buffer[at + i] as number) > 127 && (i < from || i >= from + length)) count++;
  }
  return count;
}

function text(buffer: Buffer, at: number, [offset, length]: readonly [number, number]): ByteString {
  const from = at + offset;
  let end = from;
  while (end < from + length && buffer[end] !== 0) end++;
  return buffer.toString('latin1', from, end);
}

/** A number field: octal digits between spaces and NULs, or base 256 when the first bit is set (GNU, star). */
function number(buffer: Buffer, at: number, what: keyof typeof field, name: ByteString): number {
  const [offset, length] = field[what];
  const from = at + offset;
  const value = readNumber(buffer, from, length);
  if (value === undefined) {
    throw new EngineError('corrupt', `tar: the ${what} of ${JSON.stringify(name)} is not a number`);
  }
  return value;
}

/** A number field anywhere in a header; undefined for what is no number, or too large for one here. */
export function readNumber(buffer: Buffer, from: number, length: number): number | undefined {
  const value = ((buffer[from] as number) & 0x80) !== 0 ? base256(buffer, from, length) : octal(buffer, from, length);
  return Number.isSafeInteger(value) ? value : undefined;
}

function octal(buffer: Buffer, from: number, length: number): number | undefined {
  let at = from;
  let end = from + length;
  const isBlank = (byte: number | undefined): boolean => byte === 0 || byte === 0x20;
  while (at < end && isBlank(buffer[at])) at++;
  while (end > at && isBlank(buffer[end - 1])) end--;
  let value = 0;
  for (; at < end; at++) {
    const digit = (buffer[at] as number) - 0x30;
    if (digit < 0 || digit > 7) return undefined;
    value = value * 8 + digit;
  }
  return value;
}

/** Two's complement, big-endian, without the marker bit. */
function base256(buffer: Buffer, from: number, length: number): number | undefined {
  const negative = ((buffer[from] as number) & 0x40) !== 0;
  const flip = negative ? 0xff : 0;
  let value = ((buffer[from] as number) ^ flip) & 0x7f;
  for (let i = 1; i < length; i++) {
    value = value * 256 + ((buffer[from + i] as number) ^ flip);
    if (value > Number.MAX_SAFE_INTEGER) return undefined;
  }
  return negative ? -value - 1 : value;
}
