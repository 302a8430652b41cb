/**
 * The netlink wire format (netlink(7)): messages of a 16-byte header and a body, bodies of a family's own fixed part
 * followed by attributes (type, length, value, padded to 4 bytes). Integers are in the host's order, which is little
 * endian on every machine the engine runs on; netfilter alone puts big-endian integers into its attributes.
 */

/** Message flags. */
export const flags = {
  request: 0x1,
  ack: 0x4,
  /** For `get` messages: all objects (NLM_F_ROOT | NLM_F_MATCH). */
  dump: 0x300,
  /** For `new` messages: fail when it exists. */
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
} as const;

/** Types of the messages that netlink itself defines. */
export const controlType = { error: 2, done: 3 } as const;

const headerLength = 16;
/** Marks an attribute that holds attributes. */
const nestedFlag = 0x8000;
const typeMask = 0x3fff;

const aligned = (length: number): number => (length + 3) & ~3;

/** A message before it has a sequence number. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly body: Uint8Array;
}

/** A message as it was received. */
export interface ReceivedMessage extends NetlinkMessage {
  readonly sequence: number;
  readonly body: Buffer;
}

/** One attribute with its padding. */
export function attribute(type: number, value: Uint8Array): Buffer {
  const length = 4 + value.length;
  const bytes = Buffer.alloc(aligned(length));
  bytes.writeUInt16LE(length, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.set(value, 4);
  return bytes;
}

/** An attribute that holds `inner`. */
export const nested = (type: number, ...inner: readonly Uint8Array[]): Buffer =>
  attribute(type | nestedFlag, Buffer.concat(inner));

/** A string attribute, ended by NUL. */
export const textAttribute = (type: number, value: string): Buffer => attribute(type, Buffer.from(`${value}\0`));

export const u8Attribute = (type: number, value: number): Buffer => attribute(type, Uint8Array.of(value));

/** 16 bits in host order. */
export const u16Attribute = (type: number, value: number): Buffer =>
  attribute(type, Uint8Array.of(value & 255, (value >> 8) & 255));

/** 32 bits in host order. */
export const u32Attribute = (type: number, value: number): Buffer => attribute(type, u32(value));

/** 32 bits in network order, as netfilter has them. */
export const be32Attribute = (type: number, value: number): Buffer => attribute(type, be32(value));

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

export function be32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** The message with its header. */
export function encodeMessage(message: NetlinkMessage, sequence: number): Buffer {
  const bytes = Buffer.alloc(aligned(headerLength + message.body.length));
  bytes.writeUInt32LE(headerLength + message.body.length, 0);
  bytes.writeUInt16LE(message.type, 4);
  bytes.writeUInt16LE(message.flags, 6);
  bytes.writeUInt32LE(sequence, 8);
  bytes.set(message.body, headerLength);
  return bytes;
}

/** The messages in one received datagram; what is cut off at its end is dropped. The bodies are views. */
export function* messagesIn(datagram: Uint8Array): Generator<ReceivedMessage> {
  const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  let at = 0;
  while (at + headerLength <= bytes.length) {
    const length = bytes.readUInt32LE(at);
    if (length < headerLength || at + length > bytes.length) return;
    yield {
      type: bytes.readUInt16LE(at + 4),
      flags: bytes.readUInt16LE(at + 6),
      sequence: bytes.readUInt32LE(at + 8),
      body: bytes.subarray(at + headerLength, at + length),
    };
    at += aligned(length);
  }
}

/** Attributes by type, from byte `from` of a body; the last one of a type wins. The values are views. */
export function attributesIn(body: Buffer, from = 0): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  let at = from;
  while (at + 4 <= body.length) {
    const length = body.readUInt16LE(at);
    if (length < 4 || at + length > body.length) break;
    found.set(body.readUInt16LE(at + 2) & typeMask, body.subarray(at + 4, at + length));
    at += aligned(length);
  }
  return found;
}

/** The values of a list of attributes, whatever their types, in order. The values are views. */
export function attributesListed(body: Buffer): Buffer[] {
  const found: Buffer[] = [];
  let at = 0;
  while (at + 4 <= body.length) {
    const length = body.readUInt16LE(at);
    if (length < 4 || at + length > body.length) break;
    found.push(body.subarray(at + 4, at + length));
    at += aligned(length);
  }
  return found;
}

/** The text of a string attribute, without the NUL at its end. */
export function textOf(value: Buffer | undefined): string {
  if (value === undefined) return '';
  const end = value.indexOf(0);
  return value.toString('utf8', 0, end < 0 ? value.length : end);
}

/** What an acknowledgement says: errno (0 for success) and the kernel's own words, when it has any. */
export interface Acknowledgement {
  readonly errno: number;
  readonly text: string;
}

const extendedTextAttribute = 1;
const cappedFlag = 0x100;
const extendedFlag = 0x200;

/** Reads the body of a message of type `error` (linux/netlink.h, struct nlmsgerr and NLMSGERR_ATTR_MSG). */
export function acknowledgementIn(message: ReceivedMessage): Acknowledgement {
  const { body } = message;
  if (body.length < 4) return { errno: 5, text: 'the acknowledgement is cut off' };
  const errno = Math.abs(body.readInt32LE(0));
  if ((message.flags & extendedFlag) === 0 || body.length < 20) return { errno, text: '' };
  // The header of the request is echoed, and with it the whole request unless the flag says that it was cut off.
  const echoed = (message.flags & cappedFlag) === 0 ? aligned(body.readUInt32LE(4)) : headerLength;
  return { errno, text: textOf(attributesIn(body, 4 + echoed).get(extendedTextAttribute)) };
}
