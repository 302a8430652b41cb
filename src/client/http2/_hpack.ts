import { decodeHuffman } from './_huffman.ts';

/** Names in lower case; values have one char a byte. The same name may come several times. */
export type HeaderList = readonly (readonly [name: string, value: string])[];

/** RFC 7541, appendix A: one entry a line, from index 1 on. */
const staticTable: HeaderList = `:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate`
  .split('\n')
  .map((line): [string, string] => {
    const space = line.indexOf(' ');
    return space < 0 ? [line, ''] : [line.slice(0, space), line.slice(space + 1)];
  });

/** What an entry counts besides its text. */
const entryOverhead = 32;
/** RFC 9113's initial SETTINGS_HEADER_TABLE_SIZE, which this side leaves as it is. */
const largestTable = 4096;
/** Of all headers of a block: errors with long lists are headers. */
const mostBytes = 16 << 20;

/** Header blocks of one connection, in the order in which they come: what one says others refer to. */
export class HeaderDecoder {
  readonly #recent: (readonly [string, string])[] = [];
  #size = 0;
  #limit = largestTable;

  /** @throws Error when the block is malformed; the connection is of no use then */
  decode(block: Uint8Array): HeaderList {
    const reader = new Reader(block);
    const headers: (readonly [string, string])[] = [];
    let bytes = 0;
    while (!reader.atEnd) {
      const header = this.#next(reader);
      if (header === undefined) continue;
      bytes += header[0].length + header[1].length;
      if (bytes > mostBytes) throw new Error(`malformed headers: more than ${mostBytes} bytes`);
      headers.push(header);
    }
    return headers;
  }

  /** Undefined for a note that is no header. */
  #next(reader: Reader): readonly [string, string] | undefined {
    const first = reader.peek();
    if (first >= 0x80) return this.#entry(reader.integer(7));
    if (first >= 0x40) return this.#remember(this.#literal(reader, 6));
    if (first >= 0x20) {
      const limit = reader.integer(5);
      if (limit > largestTable) throw new Error('malformed headers: their table is too large');
      this.#limit = limit;
      this.#trim();
      return undefined;
    }
    return this.#literal(reader, 4);
  }

  #literal(reader: Reader, bits: number): readonly [string, string] {
    const index = reader.integer(bits);
    const name = index === 0 ? reader.text() : this.#entry(index)[0];
    return [name, reader.text()];
  }

  #entry(index: number): readonly [string, string] {
    const entry = index <= staticTable.length ? staticTable[index - 1] : this.#recent[index - staticTable.length - 1];
    if (entry === undefined) throw new Error(`malformed headers: there is no entry ${index}`);
    return entry;
  }

  #remember(entry: readonly [string, string]): readonly [string, string] {
    this.#recent.unshift(entry);
    this.#size += sizeOf(entry);
    this.#trim();
    return entry;
  }

  #trim(): void {
    while (this.#size > this.#limit) {
      const oldest = this.#recent.pop();
      if (oldest === undefined) break;
      this.#size -= sizeOf(oldest);
    }
  }
}

const sizeOf = ([name, value]: readonly [string, string]): number => name.length + value.length + entryOverhead;

/** A place in a header block. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  peek(): number {
    return this.#bytes[this.#at] ?? 0;
  }

  /** A number whose first `bits` bits stand at the end of the next byte. */
  integer(bits: number): number {
    const most = 2 ** bits - 1;
    let value = this.#byte() & most;
    if (value < most) return value;
    for (let factor = 1; factor < 2 ** 31; factor *= 128) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw new Error('malformed headers: a number is too large');
  }

  text(): string {
    const isCoded = this.peek() >= 0x80;
    const length = this.integer(7);
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new Error('malformed headers: they are cut off');
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    const plain = isCoded ? decodeHuffman(bytes) : bytes;
    return Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength).toString('latin1');
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new Error('malformed headers: they are cut off');
    return byte;
  }
}

/** A header block that refers to nothing and is remembered by nobody. */
export function encodeHeaders(headers: HeaderList): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (const [name, value] of headers) {
    pieces.push(Uint8Array.of(0), ...encodeText(name), ...encodeText(value));
  }
  return Buffer.concat(pieces);
}

function encodeText(text: string): Uint8Array[] {
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.length < 127) return [Uint8Array.of(bytes.length), bytes];
  const prefix = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) prefix.push((rest % 128) | 0x80);
  prefix.push(rest);
  return [Uint8Array.from(prefix), bytes];
}
