import { invalid } from '../../base/errors.ts';
import type { Field, Message, Scalar, Table } from './message.ts';

/**
 * Reads a message; what the table does not name is passed by. Fields of `bytes` are views of `bytes`, not copies.
 * @throws EngineError `invalid` when the bytes are cut off, or no message.
 */
export function decode<T extends Table>(table: T, bytes: Uint8Array): Message<T> {
  const reader = new Reader(bytes);
  const message = emptyMessage(table);
  const fields = fieldsOf(table);
  while (!reader.atEnd) {
    const tag = reader.small();
    const wireType = tag & 7;
    const known = fields.get(tag >>> 3);
    if (known === undefined) {
      reader.skip(wireType);
      continue;
    }
    readField(message, known, reader, wireType);
  }
  return message as Message<T>;
}

/** Of one repeated field: a message of a few MiB could hold millions of empty ones. */
const mostItems = 200_000;

interface Known {
  readonly name: string;
  readonly field: Field;
}

const tables = new WeakMap<Table, ReadonlyMap<number, Known>>();

function fieldsOf(table: Table): ReadonlyMap<number, Known> {
  let fields = tables.get(table);
  if (fields === undefined) {
    fields = new Map(Object.entries(table).map(([name, field]) => [field[0], { name, field }]));
    tables.set(table, fields);
  }
  return fields;
}

const zeros: Readonly<Record<Scalar, unknown>> = {
  string: '',
  name: '',
  bytes: new Uint8Array(0),
  bool: false,
  int: 0,
  big: 0n,
};

const zeroOf = (type: Scalar | Table): unknown => (typeof type === 'string' ? zeros[type] : undefined);

/** Shared by all messages: the first item makes a list or a map of the message's own. */
const noItems: readonly unknown[] = Object.freeze([]);
const noEntries: ReadonlyMap<string, unknown> = new Map();

const empties = new WeakMap<Table, Readonly<Record<string, unknown>>>();

/** A copy of one object is made many times faster than an object field by field. */
function emptyMessage(table: Table): Record<string, unknown> {
  let empty = empties.get(table);
  if (empty === undefined) {
    const zero = ([, type, shape]: Field): unknown =>
      shape === 'list' ? noItems : shape === 'map' ? noEntries : zeroOf(type);
    empty = Object.fromEntries(Object.entries(table).map(([name, field]) => [name, zero(field)]));
    empties.set(table, empty);
  }
  return { ...empty };
}

function readField(message: Record<string, unknown>, known: Known, reader: Reader, wireType: number): void {
  const { name, field } = known;
  const [, type, shape] = field;
  if (shape === 'map') {
    const entry = decode({ key: [1, 'string'], value: [2, type] }, reader.bytes(wireType));
    const value = entry.value ?? (typeof type === 'string' ? zeroOf(type) : emptyMessage(type));
    if (message[name] === noEntries) message[name] = new Map();
    (message[name] as Map<string, unknown>).set(entry.key, value);
    return;
  }
  if (shape === 'list') {
    if (message[name] === noItems) message[name] = [];
    const list = message[name] as unknown[];
    if (list.length >= mostItems) throw invalid(`malformed message: more than ${mostItems} items`);
    list.push(valueOf(type, reader, wireType));
    return;
  }
  message[name] = valueOf(type, reader, wireType);
}

function valueOf(type: Scalar | Table, reader: Reader, wireType: number): unknown {
  if (typeof type !== 'string') return decode(type, reader.bytes(wireType));
  switch (type) {
    case 'bytes':
      return reader.bytes(wireType);
    case 'string':
      return reader.text(wireType, 'utf8');
    case 'name':
      return reader.text(wireType, 'latin1');
    case 'bool':
      return reader.integer(wireType) !== 0n;
    case 'big':
      return reader.integer(wireType);
    case 'int':
      return reader.number(wireType);
  }
}

/** A place in the bytes of a message. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** An unsigned number below 2^32: a tag or a length. */
  small(): number {
    const short = this.#short();
    if (short !== undefined) return short;
    const value = this.#varint();
    if (value > 0xffff_ffffn) throw invalid(`malformed message: ${value} is no tag or length`);
    return Number(value);
  }

  /** The same as a number. @throws EngineError `invalid` when it does not fit into 53 bits */
  number(wireType: number): number {
    const short = wireType === 0 ? this.#short() : undefined;
    if (short !== undefined) return short;
    const integer = this.integer(wireType);
    const number = Number(integer);
    if (!Number.isSafeInteger(number)) throw invalid(`malformed message: the number ${integer} is too large`);
    return number;
  }

  /** A varint of at most four bytes: nearly all are. Undefined, and nothing is read, for a longer one. */
  #short(): number | undefined {
    const bytes = this.#bytes;
    let value = 0;
    for (let at = this.#at, shift = 0; shift < 28 && at < bytes.length; at++, shift += 7) {
      const byte = bytes[at] ?? 0;
      value |= (byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      this.#at = at + 1;
      return value;
    }
    return undefined;
  }

  /** A signed number of any integer type. */
  integer(wireType: number): bigint {
    if (wireType === 0) return BigInt.asIntN(64, this.#varint());
    if (wireType === 1) return this.#take(8).readBigInt64LE();
    if (wireType === 5) return BigInt(this.#take(4).readInt32LE());
    throw invalid(`malformed message: wire type ${wireType} for a number`);
  }

  bytes(wireType: number): Buffer {
    if (wireType !== 2) throw invalid(`malformed message: wire type ${wireType} for bytes`);
    return this.#take(this.small());
  }

  text(wireType: number, encoding: 'utf8' | 'latin1'): string {
    return this.bytes(wireType).toString(encoding);
  }

  skip(wireType: number): void {
    if (wireType === 0) this.#varint();
    else if (wireType === 1) this.#take(8);
    else if (wireType === 5) this.#take(4);
    else this.bytes(wireType);
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw invalid('malformed message: it is cut off');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  #varint(): bigint {
    // Arithmetic with bigints is slow: two numbers are gathered, of the first four bytes and of the six after them.
    let [low, high] = [0, 0];
    for (let count = 0; count < 10; count++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw invalid('malformed message: it is cut off');
      if (count < 4) low += (byte & 0x7f) * 2 ** (7 * count);
      else high += (byte & 0x7f) * 2 ** (7 * (count - 4));
      if (byte < 0x80) return BigInt.asUintN(64, (BigInt(high) << 28n) | BigInt(low));
    }
    throw invalid('malformed message: a number has more than ten bytes');
  }
}
