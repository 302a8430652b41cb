/** Frames of WebSockets (RFC 6455, section 5). */

export const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
export type Opcode = (typeof opcode)[keyof typeof opcode];

/** Codes of a close frame (section 7.4.1). */
export const closeCode = { normal: 1000, protocolError: 1002 } as const;

/** Longest payload of a control frame. */
const maxControl = 125;

/** The header of an unmasked, unfragmented frame, as a server sends it. */
export function frameHeader(kind: Opcode, length: number): Buffer {
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  header[0] = 0x80 | kind;
  if (length < 126) header[1] = length;
  else if (length < 65_536) {
    header[1] = 126;
    header.writeUInt16BE(length, 2);
  } else {
    header[1] = 127;
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  return header;
}

/** A close frame with its code. */
export function closeFrame(code: number): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return Buffer.concat([frameHeader(opcode.close, 2), payload]);
}

/** What came in: bytes of a message, or a whole control frame. */
export type Incoming =
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  | { readonly kind: 'close'; readonly code: number }
  | { readonly kind: 'ping'; readonly payload: Uint8Array };

/** The peer broke the protocol. */
export class ProtocolError extends Error {}

interface Current {
  readonly kind: Opcode;
  readonly mask: Uint8Array;
  /** Bytes of the payload that are still to come. */
  left: number;
  /** Where in the mask the next byte is. */
  at: number;
}

/**
 * Reads the frames of a client out of chunks cut anywhere. Payloads of messages are handed over as they come, however
 * long a frame says that it is: only headers and control frames, 139 bytes at most, ever wait here.
 */
export class FrameReader {
  #waiting: Buffer = Buffer.alloc(0);
  #current: Current | undefined;
  #control: Buffer[] = [];
  #isFragmented = false;

  /** @throws ProtocolError; the reader is of no use then. */
  read(chunk: Uint8Array): Incoming[] {
    const found: Incoming[] = [];
    let rest =
      this.#waiting.length === 0
        ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
        : Buffer.concat([this.#waiting, chunk]);
    for (;;) {
      if (this.#current === undefined) {
        const header = this.#readHeader(rest);
        if (header === undefined) break;
        this.#current = header.frame;
        rest = rest.subarray(header.length);
      }
      const taken = this.#take(this.#current, rest, found);
      rest = rest.subarray(taken);
      if (this.#current.left > 0) break;
      this.#finish(this.#current, found);
      this.#current = undefined;
    }
    this.#waiting = Buffer.from(rest);
    return found;
  }

  /** Undefined when not all of it is there yet. */
  #readHeader(bytes: Buffer): { frame: Current; length: number } | undefined {
    const [first, second] = bytes;
    if (first === undefined || second === undefined) return undefined;
    if ((first & 0x70) !== 0) throw new ProtocolError('reserved bits are set');
    if ((second & 0x80) === 0) throw new ProtocolError('a frame of a client must be masked');
    const short = second & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const length = 2 + lengthBytes + 4;
    if (bytes.length < length) return undefined;
    const left = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
    if (left > Number.MAX_SAFE_INTEGER) throw new ProtocolError('a frame is too long');
    const kind = this.#checkKind(first, left);
    const mask = Uint8Array.from(bytes.subarray(length - 4, length));
    return { frame: { kind, mask, left, at: 0 }, length };
  }

  #checkKind(first: number, length: number): Opcode {
    const kind = first & 0x0f;
    const isLast = (first & 0x80) !== 0;
    switch (kind) {
      case opcode.close:
      case opcode.ping:
      case opcode.pong:
        if (!isLast || length > maxControl) throw new ProtocolError('a control frame must be short and whole');
        return kind;
      case opcode.continuation:
        if (!this.#isFragmented) throw new ProtocolError('nothing to continue');
        break;
      case opcode.text:
      case opcode.binary:
        if (this.#isFragmented) throw new ProtocolError('a message begins inside of another one');
        break;
      default:
        throw new ProtocolError('an unknown kind of frame');
    }
    this.#isFragmented = !isLast;
    return kind;
  }

  /** Unmasks what is there of a payload; gives how many bytes that were. */
  #take(frame: Current, bytes: Buffer, found: Incoming[]): number {
    const count = Math.min(frame.left, bytes.length);
    if (count === 0) return 0;
    const payload = Buffer.allocUnsafe(count);
    for (let index = 0; index < count; index++) {
      payload[index] = (bytes[index] as number) ^ (frame.mask[(frame.at + index) & 3] as number);
    }
    frame.left -= count;
    frame.at = (frame.at + count) & 3;
    if (frame.kind >= opcode.close) this.#control.push(payload);
    else found.push({ kind: 'data', bytes: payload });
    return count;
  }

  #finish({ kind }: Current, found: Incoming[]): void {
    if (kind < opcode.close) return;
    const payload = Buffer.concat(this.#control);
    this.#control = [];
    if (kind === opcode.ping) found.push({ kind: 'ping', payload });
    if (kind !== opcode.close) return;
    if (payload.length === 1) throw new ProtocolError('a close frame with half a code');
    found.push({ kind: 'close', code: payload.length === 0 ? closeCode.normal : payload.readUInt16BE() });
  }
}
