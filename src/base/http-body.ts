import { EngineError } from './errors.ts';

/** Digits of a chunk's size: more than any number that is exact here. */
const mostDigits = 13;
/** Bytes of what may follow a chunk's size, and of all trailers together. */
const mostExtra = 16 << 10;
const [tab, lf, cr, semicolon, blank] = [0x09, 0x0a, 0x0d, 0x3b, 0x20];

/** Where in a chunked body the next byte is. */
type Place = 'size' | 'extension' | 'size-lf' | 'data' | 'data-cr' | 'data-lf' | 'trailer' | 'trailer-lf' | 'done';

/**
 * Takes the framing off the body of an HTTP/1.1 request that is read from its connection (RFC 9112, 6 and 7.1), fed with
 * bytes in any portions. It is strict: bare line feeds, blanks around sizes and sizes without digits are refused.
 */
export class BodyDecoder {
  readonly #chunked: boolean;
  #place: Place;
  /** Bytes of the current chunk, or of the whole body, that are to come. */
  #left: number;
  #digits = 0;
  #extra = 0;
  #lineLength = 0;

  /** `length` is what Content-Length says; undefined for a chunked body. */
  constructor(length: number | undefined) {
    this.#chunked = length === undefined;
    this.#left = length ?? 0;
    if (length === undefined) this.#place = 'size';
    else this.#place = length === 0 ? 'done' : 'data';
  }

  /** The body was seen to its end. */
  get done(): boolean {
    return this.#place === 'done';
  }

  /** Gives the content in `bytes` to `take`, as views; what follows the end of the body is passed over. @throws corrupt. */
  push(bytes: Uint8Array, take: (content: Uint8Array) => void): void {
    for (let at = 0; at < bytes.length && this.#place !== 'done'; ) {
      if (this.#place !== 'data') {
        this.#frame(bytes[at] as number);
        at++;
        continue;
      }
      const length = Math.min(this.#left, bytes.length - at);
      take(bytes.subarray(at, at + length));
      at += length;
      this.#left -= length;
      if (this.#left === 0) this.#place = this.#chunked ? 'data-cr' : 'done';
    }
  }

  #frame(byte: number): void {
    switch (this.#place) {
      case 'size':
        return this.#size(byte);
      case 'extension':
        if (byte === cr) this.#place = 'size-lf';
        else this.#passOver(byte);
        return;
      case 'size-lf':
        return this.#beginChunk(byte);
      case 'data-cr':
        return this.#expect(byte, cr, 'data-lf');
      case 'data-lf':
        this.#digits = 0;
        return this.#expect(byte, lf, 'size');
      case 'trailer':
        return this.#trailer(byte);
      case 'trailer-lf':
        this.#expect(byte, lf, this.#lineLength === 0 ? 'done' : 'trailer');
        this.#lineLength = 0;
        return;
      case 'data':
      case 'done':
    }
  }

  #size(byte: number): void {
    const digit = hexDigit(byte);
    if (digit !== undefined) {
      if (++this.#digits > mostDigits) throw malformed('the size of a chunk is too large');
      this.#left = this.#left * 16 + digit;
      return;
    }
    if (this.#digits === 0) throw malformed('a chunk has no size');
    if (byte === cr) this.#place = 'size-lf';
    else if (byte === semicolon) this.#place = 'extension';
    else throw malformed('the size of a chunk is no hexadecimal number');
  }

  #beginChunk(byte: number): void {
    this.#expect(byte, lf, this.#left === 0 ? 'trailer' : 'data');
  }

  /** Nobody wants trailers: their lines are passed over up to the empty one. */
  #trailer(byte: number): void {
    if (byte === cr) {
      this.#place = 'trailer-lf';
      return;
    }
    this.#lineLength++;
    this.#passOver(byte);
  }

  #passOver(byte: number): void {
    if (byte < blank && byte !== tab) throw malformed('there is a control character beside a chunk');
    if (++this.#extra > mostExtra) throw malformed('there is too much beside the chunks');
  }

  #expect(byte: number, wanted: number, next: Place): void {
    if (byte !== wanted) throw malformed('a chunk does not end where it should');
    this.#place = next;
  }
}

function hexDigit(byte: number): number | undefined {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : undefined;
}

const malformed = (what: string): EngineError => new EngineError('invalid', `malformed request body: ${what}`);
