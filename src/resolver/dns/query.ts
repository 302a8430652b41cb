/**
 * Questions as they come off the wire (RFC 1035, section 4). Nothing that a container sends is believed: every length is
 * checked, and every walk is over in as many steps as there are bytes.
 */

export const recordType = { A: 1, SOA: 6, PTR: 12, MX: 15, AAAA: 28, OPT: 41 } as const;
export const responseCode = { formatError: 1, serverFailure: 2, nameError: 3, notImplemented: 4, refused: 5 } as const;
export const headerBytes = 12;
/** Flags in the third and fourth byte of a header. */
export const flag = {
  response: 0x8000,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
} as const;
/** What every client takes over UDP, and the most that a message has. */
const smallestRoom = 512;
export const largestMessage = 65_535;
const internet = 1;
const longestName = 255;

/** A question that can be worked on. */
export interface Query {
  /** The whole message; valid only as long as the buffer that it came in. */
  readonly bytes: Buffer;
  /** In lower case, without the last dot; dots inside of labels, and backslashes, have a backslash before them. */
  readonly name: string;
  readonly type: number;
  /** Class IN. */
  readonly isInternet: boolean;
  /** Where the question ends. */
  readonly questionEnd: number;
  /** The client speaks EDNS (RFC 6891). */
  readonly hasExtensions: boolean;
  /** What the client takes over UDP, in bytes. */
  readonly room: number;
}

/** No question, but the client is told so. */
export interface BadQuery {
  readonly bytes: Buffer;
  readonly responseCode: number;
}

/** Undefined for what gets no answer at all: no header, or an answer itself, which could go in circles. */
export function parseQuery(bytes: Buffer): Query | BadQuery | undefined {
  if (bytes.length < headerBytes) return undefined;
  const flags = bytes.readUInt16BE(2);
  if ((flags & flag.response) !== 0) return undefined;
  if ((flags & 0x7800) !== 0) return { bytes, responseCode: responseCode.notImplemented };
  const bad = { bytes, responseCode: responseCode.formatError };
  const [questions, answers, authorities, additionals] = countsOf(bytes);
  if (questions !== 1 || answers > 1 || authorities > 1 || additionals > 2) return bad;
  const read = readName(bytes);
  if (read === undefined || read.end + 4 > bytes.length) return bad;
  const questionEnd = read.end + 4;
  const extensions = findExtensions(bytes, questionEnd, answers + authorities + additionals);
  if (extensions === undefined) return bad;
  return {
    bytes,
    name: read.name,
    type: bytes.readUInt16BE(read.end),
    isInternet: bytes.readUInt16BE(read.end + 2) === internet,
    questionEnd,
    hasExtensions: extensions > 0,
    room: Math.max(smallestRoom, extensions),
  };
}

/** How many questions, answers, authorities and additional records a header promises. */
export const countsOf = (bytes: Buffer): readonly [number, number, number, number] => [
  bytes.readUInt16BE(4),
  bytes.readUInt16BE(6),
  bytes.readUInt16BE(8),
  bytes.readUInt16BE(10),
];

/** The name of the question. There is nothing before it that a compressed name could point at. */
function readName(bytes: Buffer): { name: string; end: number } | undefined {
  let name = '';
  for (let at = headerBytes; at < bytes.length && at - headerBytes < longestName; ) {
    const length = bytes[at] ?? 0;
    if (length === 0) return { name, end: at + 1 };
    if (length > 63 || at + length >= bytes.length) return undefined;
    if (name !== '') name += '.';
    name += labelText(bytes, at + 1, at + 1 + length);
    at += 1 + length;
  }
  return undefined;
}

const backslash = 0x5c;
const dot = 0x2e;

function labelText(bytes: Buffer, from: number, to: number): string {
  let text = '';
  for (let at = from; at < to; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === dot || byte === backslash) text += '\\';
    text += String.fromCharCode(byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte);
  }
  return text;
}

/** The room of an EDNS record among `count` records from `at` on; 0 without one, undefined when they are malformed. */
function findExtensions(bytes: Buffer, at: number, count: number): number | undefined {
  let room = 0;
  for (let left = count; left > 0; left--) {
    const nameEnd = skipName(bytes, at);
    if (nameEnd === undefined || nameEnd + 10 > bytes.length) return undefined;
    if (bytes.readUInt16BE(nameEnd) === recordType.OPT) room = Math.max(1, bytes.readUInt16BE(nameEnd + 2));
    at = nameEnd + 10 + bytes.readUInt16BE(nameEnd + 8);
    if (at > bytes.length) return undefined;
  }
  return room;
}

/** Where a name ends that may be compressed; what a pointer points at is nobody's concern here. */
export function skipName(bytes: Buffer, from: number): number | undefined {
  for (let at = from; at < bytes.length && at - from < longestName; ) {
    const length = bytes[at] ?? 0;
    if (length === 0) return at + 1;
    if ((length & 0xc0) === 0xc0) return at + 2 <= bytes.length ? at + 2 : undefined;
    if ((length & 0xc0) !== 0) return undefined;
    at += 1 + length;
  }
  return undefined;
}
