import { countsOf, flag, headerBytes, type Query, recordType, responseCode, skipName } from './query.ts';

/** What matters of another server's reply; it goes to the client as it is. */
export interface Reply {
  readonly bytes: Buffer;
  readonly code: number;
  readonly isTruncated: boolean;
  /** Where the seconds are that each record may be kept. */
  readonly ttlsAt: readonly number[];
  /** For how long the whole may be kept, in seconds: 0 for not at all. */
  readonly lifetime: number;
}

/** Nothing is kept for longer, whatever its owner says; that there is no such name, for less. */
const longestLife = 3600;
const longestDenial = 300;

/**
 * The reply to a question, in a buffer of its own that may be kept. Undefined when it is malformed, or none to this
 * question: then somebody may only be guessing.
 */
export function readReply(bytes: Buffer, query: Pick<Query, 'bytes' | 'questionEnd'>, id: number): Reply | undefined {
  if (bytes.length < headerBytes || bytes.readUInt16BE(0) !== id) return undefined;
  const flags = bytes.readUInt16BE(2);
  const code = flags & 0xf;
  if ((flags & flag.response) === 0) return undefined;
  const [questions, answers, authorities, additionals] = countsOf(bytes);
  // Servers that understand nothing of a question may leave it out.
  if (questions === 0 && code !== 0 && bytes.length === headerBytes) {
    return { bytes: withQuestion(bytes, query), code, isTruncated: false, ttlsAt: [], lifetime: 0 };
  }
  if (questions !== 1 || !isSameQuestion(bytes, query)) return undefined;
  const walk: Walk = { ttlsAt: [], answerLife: longestLife, denialLife: 0 };
  const end = walkRecords(bytes, query.questionEnd, { answers, rest: authorities + additionals }, walk);
  if (end === undefined) return undefined;
  const isTruncated = (flags & flag.truncated) !== 0;
  const isDenial = code === responseCode.nameError || (code === 0 && answers === 0);
  const isLasting = !isTruncated && (code === 0 || isDenial);
  const lifetime = isLasting ? (isDenial ? walk.denialLife : walk.answerLife) : 0;
  return { bytes: Buffer.from(bytes), code, isTruncated, ttlsAt: walk.ttlsAt, lifetime };
}

function withQuestion(bytes: Buffer, query: Pick<Query, 'bytes' | 'questionEnd'>): Buffer {
  const whole = Buffer.concat([bytes, query.bytes.subarray(headerBytes, query.questionEnd)]);
  whole.writeUInt16BE(1, 4);
  return whole;
}

/** The case of letters does not count. */
function isSameQuestion(bytes: Buffer, { bytes: asked, questionEnd }: Pick<Query, 'bytes' | 'questionEnd'>): boolean {
  if (bytes.length < questionEnd) return false;
  for (let at = headerBytes; at < questionEnd; at++) {
    const [one = 0, other = 0] = [bytes[at], asked[at]];
    if (one !== other && (lower(one) !== lower(other) || at >= questionEnd - 4)) return false;
  }
  return true;
}

const lower = (byte: number): number => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte);

interface Walk {
  readonly ttlsAt: number[];
  answerLife: number;
  denialLife: number;
}

/** Where the records end; undefined when they run over the end of the message. */
function walkRecords(
  bytes: Buffer,
  from: number,
  counts: { readonly answers: number; readonly rest: number },
  walk: Walk,
): number | undefined {
  let at = from;
  for (let number = 0; number < counts.answers + counts.rest; number++) {
    const head = skipName(bytes, at);
    if (head === undefined || head + 10 > bytes.length) return undefined;
    const type = bytes.readUInt16BE(head);
    const end = head + 10 + bytes.readUInt16BE(head + 8);
    if (end > bytes.length) return undefined;
    at = end;
    // What looks like seconds in there are flags.
    if (type === recordType.OPT) continue;
    const ttl = bytes.readUInt32BE(head + 4) & 0x7fff_ffff;
    walk.ttlsAt.push(head + 4);
    if (number < counts.answers) walk.answerLife = Math.min(walk.answerLife, ttl);
    // RFC 2308, section 5: a denial lasts as long as the zone's own record says in its last field.
    else if (type === recordType.SOA && end - head >= 14) {
      walk.denialLife = Math.min(longestDenial, ttl, bytes.readUInt32BE(end - 4));
    }
  }
  return at;
}
