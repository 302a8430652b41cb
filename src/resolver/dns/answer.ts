import { type BadQuery, flag, headerBytes, largestMessage, type Query, recordType } from './query.ts';

/**
 * Answers of our own. They are written into one buffer and are valid until the next one is: whoever keeps an answer copies
 * it.
 */
const room = Buffer.allocUnsafeSlow(largestMessage);

/** For how long a name may be kept, in seconds: containers come and go, and their next address is another one. */
export const ownTtl = 5;

const pointerToQuestion = 0xc00c;
const internet = 1;
/** What is offered to clients that speak EDNS: one packet everywhere. */
const offeredRoom = 1232;
const extensionBytes = 11;

/** An answer without records. */
export const emptyAnswer = (query: Query, code = 0): Buffer =>
  finish(query, begin(query), { code, count: 0, cut: false });

/** To something that is no question: the header alone. */
export function refusal({ bytes, responseCode: code }: BadQuery): Buffer {
  bytes.copy(room, 0, 0, headerBytes);
  room.writeUInt16BE(flagsOf(bytes, code, false), 2);
  room.fill(0, 4, headerBytes);
  return room.subarray(0, headerBytes);
}

/** Addresses of the question's name, 4 or 16 bytes each. As many as fit into `limit` bytes; the rest is cut off, and said so. */
export function addressAnswer(query: Query, addresses: readonly Uint8Array[], limit: number): Buffer {
  let at = begin(query);
  let count = 0;
  const end = limit - (query.hasExtensions ? extensionBytes : 0);
  for (const address of addresses) {
    if (at + 12 + address.length > end) break;
    at = writeRecordHead(at, query.type, address.length);
    room.set(address, at);
    at += address.length;
    count++;
  }
  return finish(query, at, { code: 0, count, cut: count < addresses.length });
}

/** True for names that DNS has room for. */
export const canBeWritten = (name: string): boolean =>
  name.length <= 253 && name.split('.').every((label) => label.length > 0 && label.length <= 63);

/** The name of an address: labels of at most 63 bytes, divided by dots. */
export function pointerAnswer(query: Query, name: string): Buffer {
  const start = begin(query);
  const length = name.split('.').reduce((sum, label) => sum + label.length + 1, 1);
  let at = writeRecordHead(start, recordType.PTR, length);
  for (const label of name.split('.')) {
    at = room.writeUInt8(label.length, at);
    at += room.write(label, at, 'latin1');
  }
  at = room.writeUInt8(0, at);
  return finish(query, at, { code: 0, count: 1, cut: false });
}

/** Header and question are the client's own, in its own spelling. */
function begin({ bytes, questionEnd }: Query): number {
  bytes.copy(room, 0, 0, questionEnd);
  return questionEnd;
}

function writeRecordHead(at: number, type: number, length: number): number {
  room.writeUInt16BE(pointerToQuestion, at);
  room.writeUInt16BE(type, at + 2);
  room.writeUInt16BE(internet, at + 4);
  room.writeUInt32BE(ownTtl, at + 6);
  return room.writeUInt16BE(length, at + 10);
}

/** The client's wish for recursion comes back to it. */
const flagsOf = (query: Buffer, code: number, cut: boolean): number =>
  flag.response |
  (query.readUInt16BE(2) & flag.recursionDesired) |
  flag.recursionAvailable |
  (cut ? flag.truncated : 0) |
  code;

function finish(
  query: Query,
  end: number,
  { code, count, cut }: { code: number; count: number; cut: boolean },
): Buffer {
  room.writeUInt16BE(flagsOf(query.bytes, code, cut), 2);
  room.writeUInt16BE(1, 4);
  room.writeUInt16BE(count, 6);
  room.writeUInt16BE(0, 8);
  room.writeUInt16BE(query.hasExtensions ? 1 : 0, 10);
  if (!query.hasExtensions) return room.subarray(0, end);
  // RFC 6891, section 6.1.2: the root's name, OPT, our room, no extended code, version 0, no flags, no data.
  room.fill(0, end, end + extensionBytes);
  room.writeUInt16BE(recordType.OPT, end + 1);
  room.writeUInt16BE(offeredRoom, end + 3);
  return room.subarray(0, end + extensionBytes);
}
