import { EngineError } from '../../base/errors.ts';
import { BodyDecoder } from '../../base/http-body.ts';
import { receive } from '../../sys/socket/stream-fd.ts';
import { detectCompression, magicLength } from '../compress/detect.ts';

/** The body of an HTTP request that a thread reads itself. */
export interface SocketSource {
  /** Descriptor of the socket; the caller's. */
  readonly socket: number;
  /** What was read of the body already, with its framing. */
  readonly head: Uint8Array;
  /** Undefined for a chunked body. */
  readonly length: number | undefined;
}

/** Far more than a socket holds. */
const bufferSize = 1 << 20;

/**
 * Reads a body to its end and gives its content to `take`; a view is valid until `take` returns. `wanted` is asked while
 * the sender is slow, and throws to give up. A body that is compressed is left to others: nothing is taken then, and what
 * was read of it so far, with its framing, is given. @throws EngineError cancelled when the sender goes away, invalid.
 */
export function readPlainBody(
  { socket, head, length }: SocketSource,
  wanted: () => void,
  take: (content: Buffer) => void,
): Uint8Array | undefined {
  const buffer = Buffer.allocUnsafeSlow(bufferSize);
  const next = (): Buffer => {
    const got = receive(socket, buffer, wanted);
    if (got === 0) throw new EngineError('cancelled', 'the client went away while it sent its request');
    return buffer.subarray(0, got);
  };
  const start = readStart(head, length, next);
  if (detectCompression(start.content) !== 'none') return start.raw;
  const decoder = new BodyDecoder(length);
  const give = (content: Uint8Array): void =>
    take(Buffer.from(content.buffer as ArrayBuffer, content.byteOffset, content.length));
  decoder.push(start.raw, give);
  while (!decoder.done) decoder.push(next(), give);
  return undefined;
}

/** Reads until the content's magic number is there, or the body's end. */
function readStart(head: Uint8Array, length: number | undefined, next: () => Buffer) {
  const decoder = new BodyDecoder(length);
  const content: number[] = [];
  const look = (bytes: Uint8Array): void =>
    decoder.push(bytes, (part) => content.push(...part.subarray(0, magicLength - content.length)));
  let raw = Buffer.from(head);
  look(raw);
  while (content.length < magicLength && !decoder.done) {
    const more = next();
    look(more);
    raw = Buffer.concat([raw, more]);
  }
  return { raw, content: Uint8Array.from(content) };
}
