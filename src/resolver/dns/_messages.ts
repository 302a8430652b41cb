/** Messages for tests, written by hand from RFC 1035 and 6891: nothing of what is tested is used here. */

export interface Record {
  readonly name: string;
  readonly type: number;
  readonly ttl: number;
  readonly data: Uint8Array;
}

export interface Message {
  readonly id?: number;
  readonly flags?: number;
  readonly name: string;
  readonly type: number;
  /** EDNS with this room. */
  readonly room?: number;
  readonly answers?: readonly Record[];
  readonly authorities?: readonly Record[];
}

export const encodeName = (name: string): Buffer =>
  Buffer.concat([
    ...name
      .split('.')
      .filter((label) => label !== '')
      .map((label) => Buffer.concat([Uint8Array.of(label.length), Buffer.from(label, 'latin1')])),
    Uint8Array.of(0),
  ]);

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);

function encodeRecord({ name, type, ttl, data }: Record): Buffer {
  const seconds = Buffer.alloc(4);
  seconds.writeUInt32BE(ttl);
  return Buffer.concat([encodeName(name), u16(type), u16(1), seconds, u16(data.length), data]);
}

/** A message with one question. */
export function encode({ id = 1, flags = 0x0100, name, type, room, answers = [], authorities = [] }: Message): Buffer {
  const extensions = room === undefined ? [] : [Buffer.concat([Uint8Array.of(0), u16(41), u16(room), Buffer.alloc(6)])];
  const counts = [1, answers.length, authorities.length, extensions.length];
  return Buffer.concat([
    ...[id, flags, ...counts].map(u16),
    encodeName(name),
    u16(type),
    u16(1),
    ...[...answers, ...authorities].map(encodeRecord),
    ...extensions,
  ]);
}

/** The data of a SOA record with this many seconds for denials. */
export const soa = (minimum: number): Buffer => {
  const numbers = Buffer.alloc(20);
  numbers.writeUInt32BE(minimum, 16);
  return Buffer.concat([encodeName('ns.test'), encodeName('mail.test'), numbers]);
};

/** A generator of numbers below `limit` that a seed decides (xorshift32). */
export function randomFrom(seed: number): (limit: number) => number {
  let state = seed | 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

/** A copy with some bytes changed, cut off, doubled or added. */
export function mutate(message: Buffer, random: (limit: number) => number): Buffer {
  let changed = Buffer.from(message);
  for (let count = 1 + random(4); count > 0; count--) {
    const at = random(changed.length + 1);
    const how = random(5);
    if (how === 0) changed = changed.subarray(0, at);
    else if (how === 1)
      changed = Buffer.concat([changed.subarray(0, at), changed.subarray(random(changed.length + 1))]);
    else if (how === 2 && at < changed.length) changed[at] = [0, 0x3f, 0x40, 0x80, 0xc0, 0xff][random(6)] ?? 0;
    else if (at < changed.length) changed[at] = random(256);
  }
  return changed;
}
