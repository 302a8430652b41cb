import { concatBytes } from '../../base/stream.ts';
import type { Draft, Field, Scalar, Table } from './message.ts';

/** Wire types. */
const varintType = 0;
const lengthType = 2;

/** The bytes of a message. Zeros of fields that are not repeated are left out, as proto3 wants it. */
export function encode<T extends Table>(table: T, draft: Draft<T>): Uint8Array {
  const out: Uint8Array[] = [];
  for (const [name, field] of Object.entries(table)) {
    const value: unknown = draft[name];
    if (value !== undefined) encodeField(out, field, value);
  }
  return concatBytes(out);
}

function encodeField(out: Uint8Array[], [number, type, shape]: Field, value: unknown): void {
  if (shape === undefined) {
    pushValue(out, number, type, value, false);
  } else if (shape === 'list') {
    for (const item of value as readonly unknown[]) pushValue(out, number, type, item, true);
  } else {
    for (const [key, item] of value as ReadonlyMap<string, unknown>) {
      const entry: Uint8Array[] = [];
      pushValue(entry, 1, 'string', key, true);
      pushValue(entry, 2, type, item, true);
      pushBytes(out, number, concatBytes(entry));
    }
  }
}

function pushValue(out: Uint8Array[], number: number, type: Scalar | Table, value: unknown, always: boolean): void {
  if (typeof type !== 'string') return pushBytes(out, number, encode(type, value as Draft<Table>));
  switch (type) {
    case 'bool':
      if (value === true || always) out.push(tagOf(number, varintType), value ? one : zero);
      return;
    case 'int':
    case 'big': {
      const integer = value as number | bigint;
      // Neither 0 nor 0n.
      if (integer || always) out.push(tagOf(number, varintType), varint(integer));
      return;
    }
    default: {
      const bytes = type === 'bytes' ? (value as Uint8Array) : Buffer.from(value as string, encodings[type]);
      if (bytes.length > 0 || always) pushBytes(out, number, bytes);
    }
  }
}

const encodings = { string: 'utf8', name: 'latin1' } as const;

function pushBytes(out: Uint8Array[], number: number, bytes: Uint8Array): void {
  out.push(tagOf(number, lengthType), varint(bytes.length));
  if (bytes.length > 0) out.push(bytes);
}

const zero = Uint8Array.of(0);
const one = Uint8Array.of(1);
/** Those of fields up to 31 are made once: lists of files are tens of thousands of messages. */
const tags = Array.from({ length: 256 }, (_, tag) => varint(tag));

function tagOf(number: number, type: number): Uint8Array {
  const tag = (number << 3) | type;
  return tags[tag] ?? varint(tag);
}

/** Seven bits a byte, the lowest first; negative numbers are 64 bits in two's complement. */
function varint(value: number | bigint): Uint8Array {
  if (typeof value === 'number' && value >= 0 && value < 0x80) return Uint8Array.of(value);
  const bytes: number[] = [];
  if (typeof value === 'number' && value >= 0) {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
    bytes.push(rest);
    return Uint8Array.from(bytes);
  }
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
