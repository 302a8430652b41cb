import { EngineError } from './errors.ts';

/** Byte streams in contracts are async iterables; whoever iterates to the end, or calls `return`, closes the source. */
export type ByteStream = AsyncIterable<Uint8Array>;

/** Concatenates a whole stream; @throws EngineError `invalid` naming `what` as soon as more than `limit` bytes came. */
export async function readAll(stream: ByteStream, limit: number, what = 'stream'): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > limit) throw new EngineError('invalid', `${what} is larger than the allowed ${limit} bytes`);
    chunks.push(chunk);
  }
  return concatBytes(chunks, length);
}

/** What comes after the first `from` bytes, for sources that cannot begin in the middle. */
export async function* afterBytes(
  stream: ByteStream | Iterable<Uint8Array>,
  from: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let at = 0;
  for await (const chunk of stream) {
    if (at + chunk.length > from) yield chunk.subarray(Math.max(0, from - at));
    at += chunk.length;
  }
}

/** The same bytes in chunks of at most `most`; they are parts of those that come. */
export async function* inPieces(
  stream: ByteStream | Iterable<Uint8Array>,
  most: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length; at += most) yield chunk.subarray(at, at + most);
  }
}

/** The chunks in one array of `length` bytes (their sum when it is left out). */
export function concatBytes(chunks: readonly Uint8Array[], length?: number): Uint8Array {
  const only = chunks[0];
  if (chunks.length === 1 && only !== undefined) return only;
  const whole = new Uint8Array(length ?? chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
