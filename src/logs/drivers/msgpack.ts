/** The part of MessagePack that Fluentd's forward protocol needs. */

const MAP = 0x80;
const ARRAY = 0x90;
const EVENT_TIME = 0;

/** The head of an array of at most 15 items, which follow. */
export const packArray = (length: number): Buffer => Buffer.from([ARRAY | length]);

export function packString(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value as string);
  const { length } = bytes;
  const head = Buffer.alloc(length < 32 ? 1 : length < 0x100 ? 2 : length < 0x1_0000 ? 3 : 5);
  if (length < 32) head[0] = 0xa0 | length;
  else if (length < 0x100) head.writeUInt16BE(0xd900 | length, 0);
  else if (length < 0x1_0000) {
    head[0] = 0xda;
    head.writeUInt16BE(length, 1);
  } else {
    head[0] = 0xdb;
    head.writeUInt32BE(length, 1);
  }
  return Buffer.concat([head, bytes]);
}

export function packMap(entries: Iterable<readonly [string, string | Uint8Array]>): Buffer {
  const pairs = [...entries];
  const head = Buffer.alloc(pairs.length < 16 ? 1 : 3);
  if (pairs.length < 16) head[0] = MAP | pairs.length;
  else {
    head[0] = 0xde;
    head.writeUInt16BE(pairs.length, 1);
  }
  return Buffer.concat([head, ...pairs.flatMap(([key, value]) => [packString(key), packString(value)])]);
}

/** Whole seconds since 1970. */
export function packSeconds(timeNs: bigint): Buffer {
  const bytes = Buffer.alloc(5);
  bytes[0] = 0xce;
  bytes.writeUInt32BE(Number(timeNs / 1_000_000_000n), 1);
  return bytes;
}

/** Fluentd's EventTime: an extension of 8 bytes, seconds and nanoseconds. */
export function packEventTime(timeNs: bigint): Buffer {
  const bytes = Buffer.alloc(10);
  bytes[0] = 0xd7;
  bytes[1] = EVENT_TIME;
  bytes.writeUInt32BE(Number(timeNs / 1_000_000_000n), 2);
  bytes.writeUInt32BE(Number(timeNs % 1_000_000_000n), 6);
  return bytes;
}

/**
 * The map of strings at the start of `bytes`, and where it ends; undefined when it is not whole yet.
 * @throws Error for anything else.
 */
export function unpackStringMap(bytes: Buffer): { map: Map<string, string>; end: number } | undefined {
  const first = bytes[0];
  if (first === undefined) return undefined;
  if ((first & 0xf0) !== MAP) throw new Error('the answer is no map of MessagePack');
  const map = new Map<string, string>();
  let at = 1;
  for (let left = first & 0x0f; left > 0; left--) {
    const key = unpackString(bytes, at);
    const value = key === undefined ? undefined : unpackString(bytes, key.end);
    if (key === undefined || value === undefined) return undefined;
    map.set(key.text, value.text);
    at = value.end;
  }
  return { map, end: at };
}

function unpackString(bytes: Buffer, at: number): { text: string; end: number } | undefined {
  const kind = bytes[at];
  if (kind === undefined) return undefined;
  // str and bin, of up to 65,535 bytes.
  const width =
    (kind & 0xe0) === 0xa0 ? 0 : kind === 0xd9 || kind === 0xc4 ? 1 : kind === 0xda || kind === 0xc5 ? 2 : -1;
  if (width < 0) throw new Error('the answer is no string of MessagePack');
  if (bytes.length < at + 1 + width) return undefined;
  const length = width === 0 ? kind & 0x1f : bytes.readUIntBE(at + 1, width);
  const start = at + 1 + width;
  if (bytes.length < start + length) return undefined;
  return { text: bytes.toString('utf8', start, start + length), end: start + length };
}
