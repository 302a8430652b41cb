import type { ByteSocket } from './socket.ts';

/** The head of a response; header names are in lower case, repeated ones joined by commas. */
export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly headers: ReadonlyMap<string, string>;
}

const largestHead = 256 * 1024;
const empty = new Uint8Array(0);

/** Reads HTTP/1.1 responses from a socket (RFC 9112); keeps what came beyond the part asked for. */
export class ResponseReader {
  readonly #socket: ByteSocket;
  #rest: Uint8Array = empty;

  constructor(socket: ByteSocket) {
    this.#socket = socket;
  }

  /** The next head that is no interim answer; undefined when the connection ended before it began. */
  async head(): Promise<ResponseHead | undefined> {
    for (;;) {
      const text = await this.#headText();
      if (text === undefined) return undefined;
      const head = parseHead(text);
      if (head.status >= 200 || head.status === 101) return head;
    }
  }

  async #headText(): Promise<string | undefined> {
    let from = 0;
    for (;;) {
      const end = endOfHead(this.#rest, from);
      if (end >= 0) {
        const text = latin1(this.#rest.subarray(0, end));
        this.#rest = this.#rest.subarray(end + 4);
        return text;
      }
      from = Math.max(this.#rest.length - 3, 0);
      if (this.#rest.length > largestHead) throw new Error('the head of the response is too long');
      const had = this.#rest.length;
      if (!(await this.#fill())) {
        if (had === 0) return undefined;
        throw new Error('the connection ended inside the head of a response');
      }
    }
  }

  /** The body, decoded; ends with the body, leaving the connection ready for the next response. */
  async *body(head: ResponseHead): AsyncGenerator<Uint8Array, void, undefined> {
    if (head.status === 204 || head.status === 304) return;
    if (head.headers.get('transfer-encoding')?.toLowerCase().endsWith('chunked') === true) {
      yield* this.#chunked();
      return;
    }
    const length = head.headers.get('content-length');
    if (length !== undefined) yield* this.#exactly(Number(length));
    else for await (const chunk of this.raw()) yield chunk;
  }

  /** Whatever comes until the other side ends: hijacked streams. */
  async *raw(): AsyncGenerator<Uint8Array, void, undefined> {
    do {
      const chunk = this.#rest;
      this.#rest = empty;
      if (chunk.length > 0) yield chunk;
    } while (await this.#fill());
  }

  async *#exactly(length: number): AsyncGenerator<Uint8Array, void, undefined> {
    let missing = length;
    while (missing > 0) {
      if (this.#rest.length === 0 && !(await this.#fill())) throw new Error('unexpected EOF');
      const chunk = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(chunk.length);
      missing -= chunk.length;
      yield chunk;
    }
  }

  async *#chunked(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const line = await this.#line();
      const size = Number.parseInt(line.split(';')[0] ?? '', 16);
      if (!Number.isInteger(size) || size < 0) throw new Error('malformed chunk size in the response');
      if (size === 0) {
        while ((await this.#line()) !== '');
        return;
      }
      yield* this.#exactly(size);
      await this.#line();
    }
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf(10);
      if (end >= 0) {
        const text = latin1(this.#rest.subarray(0, end));
        this.#rest = this.#rest.subarray(end + 1);
        return text.endsWith('\r') ? text.slice(0, -1) : text;
      }
      if (this.#rest.length > 16_384) throw new Error('a line of the response is too long');
      if (!(await this.#fill())) throw new Error('unexpected EOF');
    }
  }

  async #fill(): Promise<boolean> {
    const chunk = await this.#socket.read();
    if (chunk === undefined) return false;
    if (this.#rest.length === 0) this.#rest = chunk;
    else {
      const whole = new Uint8Array(this.#rest.length + chunk.length);
      whole.set(this.#rest);
      whole.set(chunk, this.#rest.length);
      this.#rest = whole;
    }
    return true;
  }
}

function endOfHead(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(13, from); at >= 0; at = bytes.indexOf(13, at + 1)) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at;
  }
  return -1;
}

const decoder = new TextDecoder('latin1');
const latin1 = (bytes: Uint8Array): string => decoder.decode(bytes);

function parseHead(text: string): ResponseHead {
  const lines = text.split('\r\n');
  const first = lines[0] ?? '';
  const status = Number(first.slice(9, 12));
  if (!first.startsWith('HTTP/1.') || !Number.isInteger(status) || status < 100) {
    throw new Error('malformed HTTP response');
  }
  const headers = new Map<string, string>();
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const known = headers.get(name);
    headers.set(name, known === undefined ? value : `${known}, ${value}`);
  }
  return { status, reason: first.slice(13), headers };
}

/** By name; several values are as many lines. */
export type RequestHeaders = Readonly<Record<string, string | readonly string[]>>;

/** The bytes of a request's head. */
export function requestHead(method: string, target: string, headers: RequestHeaders): Uint8Array {
  let text = `${method} ${target} HTTP/1.1\r\n`;
  for (const [name, values] of Object.entries(headers)) {
    for (const value of typeof values === 'string' ? [values] : values) {
      text += `${name}: ${value.replace(/[\r\n]/g, ' ')}\r\n`;
    }
  }
  return new TextEncoder().encode(`${text}\r\n`);
}
