import type { Http2Stream } from 'node:http2';
import { GrpcError, statusCodes } from './status.ts';

/** A length-prefixed message: one byte that tells of compression, four of length, then the message. */
export const prefixBytes = 5;

/** Messages that are longer are refused, as BuildKit does. */
export const longestMessage = 16 << 20;

/** Begins a message of `length` bytes, which follow by themselves. */
export function framePrefix(length: number): Buffer {
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32BE(length, 1);
  return prefix;
}

/** Sends one message; resolves when there is room for more, or the stream is gone. */
export function sendMessage(stream: Http2Stream, message: Uint8Array): Promise<void> {
  if (stream.destroyed || stream.writableEnded) return Promise.resolve();
  stream.cork();
  stream.write(framePrefix(message.length));
  if (message.length > 0) stream.write(message);
  stream.uncork();
  return stream.writableNeedDrain ? drainOf(stream) : Promise.resolve();
}

/** Those who wait for room, by stream: thousands may, of whom none has to. */
const drains = new WeakMap<Http2Stream, Promise<void>>();

function drainOf(stream: Http2Stream): Promise<void> {
  const waiting = drains.get(stream);
  if (waiting !== undefined) return waiting;
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = (): void => {
    stream.off('drain', done);
    stream.off('close', done);
    drains.delete(stream);
    resolve();
  };
  stream.once('drain', done);
  stream.once('close', done);
  drains.set(stream, promise);
  return promise;
}

/** The messages that come on a stream. @throws GrpcError for a compressed or overlong one, and when the last is cut off */
export function receiveMessages(stream: Http2Stream, limit = longestMessage): AsyncGenerator<Uint8Array> {
  return messagesIn(chunksOf(stream), limit);
}

/** The same in batches, see `batchesIn`. */
export function receiveBatches(stream: Http2Stream, limit = longestMessage): AsyncGenerator<readonly Uint8Array[]> {
  return batchesIn(chunksOf(stream), limit);
}

// Whoever stops reading still has a status to send.
const chunksOf = (stream: Http2Stream): AsyncIterable<Uint8Array> => stream.iterator({ destroyOnReturn: false });

/** The same of bytes from anywhere. */
export async function* messagesIn(
  chunks: AsyncIterable<Uint8Array>,
  limit = longestMessage,
): AsyncGenerator<Uint8Array> {
  for await (const batch of cut(chunks, limit, (length) => Buffer.allocUnsafe(length))) {
    for (const message of batch) yield message;
  }
}

/**
 * The messages that become whole with each chunk, together: lists of files are tens of thousands of messages, and to wait
 * for each takes longer than to read it. They are only valid until the next batch is asked for.
 */
export function batchesIn(
  chunks: AsyncIterable<Uint8Array>,
  limit = longestMessage,
): AsyncGenerator<readonly Uint8Array[]> {
  let room = Buffer.alloc(0);
  // Of what one chunk completes only the first message can have begun before it.
  return cut(chunks, limit, (length) => {
    if (room.length < length) room = Buffer.allocUnsafe(length);
    return room.subarray(0, length);
  });
}

/** `room` gives the place for a message that is put together out of several chunks. */
async function* cut(
  chunks: AsyncIterable<Uint8Array>,
  limit: number,
  room: (length: number) => Buffer,
): AsyncGenerator<readonly Uint8Array[]> {
  const queue = new ByteQueue();
  let wanted: number | undefined;
  for await (const chunk of chunks) {
    queue.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    const whole: Uint8Array[] = [];
    let failure: unknown;
    try {
      for (;;) {
        if (wanted === undefined) {
          if (queue.length < prefixBytes) break;
          wanted = lengthOf(queue.take(prefixBytes, prefixRoom), limit);
        }
        if (queue.length < wanted) break;
        whole.push(queue.take(wanted, room));
        wanted = undefined;
      }
    } catch (error) {
      failure = error;
    }
    if (whole.length > 0) yield whole;
    if (failure !== undefined) throw failure as Error;
  }
  if (wanted !== undefined || queue.length > 0) throw new GrpcError(statusCodes.cancelled, 'a message was cut off');
}

const prefixRoom = (): Buffer => Buffer.alloc(prefixBytes);

function lengthOf(prefix: Buffer, limit: number): number {
  if (prefix[0] !== 0) throw new GrpcError(statusCodes.unimplemented, 'compressed messages are not supported');
  const length = prefix.readUInt32BE(1);
  if (length > limit) {
    throw new GrpcError(statusCodes.exhausted, `a message of ${length} bytes is longer than the allowed ${limit}`);
  }
  return length;
}

/** Bytes in the pieces they came in; a piece is copied only when what is taken lies in several. */
class ByteQueue {
  readonly #pieces: Buffer[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#length += piece.length;
  }

  take(length: number, room: (length: number) => Buffer): Buffer {
    if (length === 0) return Buffer.alloc(0);
    const first = this.#pieces[0] ?? Buffer.alloc(0);
    this.#length -= length;
    if (first.length >= length) {
      const taken = first.subarray(0, length);
      if (first.length === length) this.#pieces.shift();
      else this.#pieces[0] = first.subarray(length);
      return taken;
    }
    const whole = room(length);
    let at = 0;
    let used = 0;
    for (const piece of this.#pieces) {
      const part = piece.subarray(0, length - at);
      whole.set(part, at);
      at += part.length;
      if (part.length < piece.length) {
        this.#pieces[used] = piece.subarray(part.length);
        break;
      }
      used++;
      if (at === length) break;
    }
    this.#pieces.splice(0, used);
    return whole;
  }
}
