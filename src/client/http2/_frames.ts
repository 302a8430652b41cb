/** Frames of HTTP/2 (RFC 9113, section 6). */
export const frameTypes = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goAway: 7,
  window: 8,
  continuation: 9,
} as const;
export const frameFlags = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;
export const errorCodes = { none: 0, protocol: 1, flowControl: 3, refused: 7, cancel: 8, compression: 9 } as const;
/** SETTINGS that are used here. */
export const settingIds = { enablePush: 2, maxStreams: 3, initialWindow: 4, maxFrame: 5 } as const;

export const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const headBytes = 9;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Uint8Array;
}

/** The head of a frame whose `length` bytes follow. */
export function frameHead(type: number, flags: number, stream: number, length: number): Uint8Array {
  const head = Buffer.allocUnsafe(headBytes);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return head;
}

export const numberPayload = (value: number): Uint8Array => {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

export function settingsPayload(settings: readonly (readonly [id: number, value: number])[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(settings.length * 6);
  for (const [at, [id, value]] of settings.entries()) {
    bytes.writeUInt16BE(id, at * 6);
    bytes.writeUInt32BE(value, at * 6 + 2);
  }
  return bytes;
}

export function* settingsIn(payload: Uint8Array): Generator<readonly [id: number, value: number]> {
  for (let at = 0; at + 6 <= payload.length; at += 6) yield [numberAt(payload, at) >>> 16, numberAt(payload, at + 2)];
}

/** Of four bytes at a place; the highest bit is reserved where it is a window or a stream. */
export const numberAt = (bytes: Uint8Array, at: number): number =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readUInt32BE(at);

/** The frames in a stream of bytes. @throws Error for one that is longer than this side allows, or cut off */
export async function* readFrames(
  bytes: AsyncIterable<Uint8Array>,
  limit: number,
  expectPreface: boolean,
): AsyncGenerator<Frame> {
  let rest: Buffer = Buffer.alloc(0);
  let awaitsPreface = expectPreface;
  for await (const chunk of bytes) {
    const piece = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    rest = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    if (awaitsPreface) {
      if (rest.length < preface.length) continue;
      if (rest.toString('latin1', 0, preface.length) !== preface) throw new Error('the peer does not speak HTTP/2');
      rest = rest.subarray(preface.length);
      awaitsPreface = false;
    }
    for (;;) {
      if (rest.length < headBytes) break;
      const length = rest.readUIntBE(0, 3);
      if (length > limit) throw new Error(`a frame of ${length} bytes is longer than allowed`);
      if (rest.length < headBytes + length) break;
      const payload = rest.subarray(headBytes, headBytes + length);
      yield { type: rest[3] ?? 0, flags: rest[4] ?? 0, stream: rest.readUInt32BE(5) & 0x7fff_ffff, payload };
      rest = rest.subarray(headBytes + length);
    }
  }
}

/** The payload of DATA or HEADERS without its padding and the priority in front of it. */
export function unpadded({ flags, payload }: Frame, mayHavePriority: boolean): Uint8Array {
  let from = 0;
  let to = payload.length;
  if ((flags & frameFlags.padded) !== 0) {
    to -= payload[0] ?? 0;
    from = 1;
  }
  if (mayHavePriority && (flags & frameFlags.priority) !== 0) from += 5;
  if (from > to) throw new Error('a frame has more padding than bytes');
  return payload.subarray(from, to);
}
