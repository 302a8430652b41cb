import { EngineError } from '../../base/errors.ts';
import type { ByteString } from './entry.ts';

/** What a PAX extended header (POSIX.1-2017 pax(1), "pax Extended Header") says about the next member. */
export interface PaxRecords {
  name?: ByteString;
  linkName?: ByteString;
  size?: number;
  uid?: number;
  gid?: number;
  mtime?: number;
  mtimeNsec?: number;
  xattrs?: Map<string, Uint8Array>;
  /** The member is stored in one of GNU's sparse formats. */
  sparse?: PaxSparse;
}

/** The records `GNU.sparse.*`, numbers as they are written. */
export interface PaxSparse {
  /** 1.0 has its map in front of the content; the older ones in `map`: offset, length, offset, ... */
  major?: string;
  minor?: string;
  /** The file's name; that of the member is made up. */
  name?: ByteString;
  /** Of the whole file. */
  size?: string;
  /** Pairs in the map. */
  blocks?: string;
  map: string[];
}

/** How star, GNU tar and Go's archive/tar store extended attributes. */
export const xattrPrefix = 'SCHILY.xattr.';
export const sparsePrefix = 'GNU.sparse.';
const space = 0x20;
const newline = 0x0a;
const equals = 0x3d;

const broken = (why: string): EngineError => new EngineError('corrupt', `tar: a PAX header ${why}`);

/**
 * Reads records of the form `length key=value\n` into `into`; an empty value takes back what was said before.
 * @throws EngineError `corrupt`, also when the extended attributes are larger than `xattrLimit` bytes together.
 */
export function decodePax(bytes: Buffer, into: PaxRecords, xattrLimit: number): void {
  let xattrBytes = 0;
  for (let at = 0; at < bytes.length; ) {
    const { end, valueFrom } = recordBounds(bytes, at);
    const split = bytes.indexOf(equals, valueFrom);
    if (split <= valueFrom || split >= end) throw broken('has a record without a key');
    const key = bytes.toString('latin1', valueFrom, split);
    const value = bytes.subarray(split + 1, end);
    if (key.startsWith(xattrPrefix)) {
      xattrBytes += key.length + value.length;
      if (xattrBytes > xattrLimit) throw broken(`has more than ${xattrLimit} bytes of extended attributes`);
      into.xattrs ??= new Map();
      into.xattrs.set(xattrName(key.slice(xattrPrefix.length)), Uint8Array.from(value));
    } else {
      applyRecord(into, key, value.toString('latin1'));
    }
    at = end + 1;
  }
}

/** Finds the record at `at`: its length, a decimal number, counts itself, the space, and the newline at the end. */
function recordBounds(bytes: Buffer, at: number): { end: number; valueFrom: number } {
  let length = 0;
  let digits = 0;
  while (bytes[at + digits] !== space) {
    const digit = (bytes[at + digits] ?? 0) - 0x30;
    if (digit < 0 || digit > 9 || digits > 8) throw broken('has a record without a length');
    length = length * 10 + digit;
    digits++;
  }
  const end = at + length - 1;
  if (digits === 0 || length <= digits + 2 || end >= bytes.length || bytes[end] !== newline) {
    throw broken('has a record with a wrong length');
  }
  return { end, valueFrom: at + digits + 1 };
}

function xattrName(name: string): string {
  if (name === '' || name.length > 255 || name.includes('\0')) throw broken('has an extended attribute without a name');
  return name;
}

function applyRecord(into: PaxRecords, key: string, value: string): void {
  switch (key) {
    case 'path':
      return setOrDelete(into, 'name', withoutNul(key, value));
    case 'linkpath':
      return setOrDelete(into, 'linkName', withoutNul(key, value));
    case 'size':
    case 'uid':
    case 'gid':
      return setOrDelete(into, key, value === '' ? '' : decimal(key, value));
    case 'mtime': {
      delete into.mtime;
      delete into.mtimeNsec;
      if (value !== '') Object.assign(into, timestamp(value));
      return;
    }
    default:
      if (key.startsWith(sparsePrefix))
        applySparse((into.sparse ??= { map: [] }), key.slice(sparsePrefix.length), value);
  }
}

function applySparse(into: PaxSparse, key: string, value: string): void {
  switch (key) {
    case 'major':
    case 'minor':
      into[key] = value;
      return;
    case 'name':
      into.name = withoutNul(key, value);
      return;
    case 'size':
    case 'realsize':
      into.size = value;
      return;
    case 'numblocks':
      into.blocks = value;
      return;
    case 'map':
      into.map = value === '' ? [] : value.split(',');
      return;
    case 'offset':
    case 'numbytes':
      into.map.push(value);
  }
}

function setOrDelete<Key extends keyof PaxRecords>(into: PaxRecords, key: Key, value: PaxRecords[Key] | ''): void {
  if (value === '' || value === undefined) delete into[key];
  else into[key] = value;
}

function withoutNul(key: string, value: string): string {
  if (value.includes('\0')) throw broken(`has a NUL in ${key}`);
  return value;
}

const isDigits = (text: string): boolean => {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x30 || code > 0x39) return false;
  }
  return text.length > 0 && text.length <= 16;
};

function decimal(key: string, value: string): number {
  if (!isDigits(value) || !Number.isSafeInteger(Number(value))) throw broken(`has ${key} that is not a number`);
  return Number(value);
}

/** Seconds with an optional fraction, maybe negative; digits beyond nanoseconds are dropped. */
function timestamp(value: string): { mtime: number; mtimeNsec: number } {
  const negative = value.startsWith('-');
  const [whole = '', fraction = ''] = (negative ? value.slice(1) : value).split('.', 2);
  if (!isDigits(whole) || (fraction !== '' && !isDigits(fraction.slice(0, 9)))) throw broken('has a wrong mtime');
  const seconds = Number(whole);
  const nanos = Number(fraction.slice(0, 9).padEnd(9, '0'));
  if (!negative) return { mtime: seconds, mtimeNsec: nanos };
  return nanos === 0 ? { mtime: -seconds, mtimeNsec: 0 } : { mtime: -seconds - 1, mtimeNsec: 1e9 - nanos };
}
