import type { ServerResponse } from 'node:http';
import { orAborted } from '../../base/async.ts';
import type { LogBatch } from '../../spec/contract/logs.ts';

/** Bytes that go out in one write; there are two buffers of this size, one on its way while the other is filled. */
const BUFFER_BYTES = 256 * 1024;
const HEADER_BYTES = 8;
const TIME_BYTES = 31;
/** Clients read a frame whole: this fits into the buffer that Docker's own begin with. */
const MOST_GATHERED = 32 * 1024;

export interface LogFormat {
  /** Each entry behind a header that tells its stream and length; otherwise the bytes alone, as a terminal's are. */
  readonly multiplexed: boolean;
  /** Entries of one stream share a header as far as they fit: less work for a client that only puts them together. */
  readonly gathered: boolean;
  /** The time of each entry and a blank in front of it. */
  readonly timestamps: boolean;
  /** Put in front of each entry's bytes, behind its time. */
  readonly details: Uint8Array;
}

/**
 * Sends the entries of a log to a client, as fast as it takes them: built in place in two buffers that are used again
 * and again, so that a million lines leave nothing behind for the garbage collector.
 */
export class LogOutput {
  readonly #response: ServerResponse;
  readonly #format: LogFormat;
  readonly #signal: AbortSignal;
  #buffer: Buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #other: Buffer | undefined;
  #at = 0;
  /** Where in the buffer the last frame begins, and its stream. */
  #frame = 0;
  #stream = 0;
  /** Resolves when what was sent last has left this process: its buffer may be used again. */
  #sent: Promise<void> = Promise.resolve();

  constructor(response: ServerResponse, format: LogFormat, signal: AbortSignal) {
    this.#response = response;
    this.#format = format;
    this.#signal = signal;
  }

  /** Resolves when all of it has left this process. */
  finish(): Promise<void> {
    return this.#sent;
  }

  /** Sends a whole batch; waits while the client is behind. Rejects when it goes away. */
  async write(batch: LogBatch): Promise<void> {
    const { timestamps, details, multiplexed } = this.#format;
    const before = (timestamps ? TIME_BYTES : 0) + details.length;
    const most = (multiplexed ? HEADER_BYTES : 0) + before;
    for (let index = 0; index < batch.count; index++) {
      const length = (batch.ends[index] ?? 0) - (batch.starts[index] ?? 0);
      if (this.#at + most + length > this.#buffer.length) await this.#makeRoom(most + length);
      this.#put(batch, index);
    }
    await this.#send();
  }

  #put(batch: LogBatch, index: number): void {
    const { timestamps, details, multiplexed } = this.#format;
    const buffer = this.#buffer;
    const stream = (batch.kinds[index] ?? 0) & 3;
    const joins = this.#joins(stream, (batch.ends[index] ?? 0) - (batch.starts[index] ?? 0));
    const begin = joins ? this.#frame : this.#at;
    let at = multiplexed && !joins ? begin + HEADER_BYTES : this.#at;
    if (timestamps) {
      at = batch.copyTime(index, buffer, at);
      buffer[at++] = 0x20;
    }
    if (details.length > 0) {
      buffer.set(details, at);
      at += details.length;
    }
    const start = batch.starts[index] ?? 0;
    const end = batch.ends[index] ?? 0;
    batch.block.copy(buffer, at, start, end);
    at += end - start;
    if (multiplexed) {
      const length = at - begin - HEADER_BYTES;
      buffer[begin] = stream;
      buffer[begin + 1] = 0;
      buffer[begin + 2] = 0;
      buffer[begin + 3] = 0;
      buffer[begin + 4] = length >>> 24;
      buffer[begin + 5] = (length >>> 16) & 0xff;
      buffer[begin + 6] = (length >>> 8) & 0xff;
      buffer[begin + 7] = length & 0xff;
    }
    this.#at = at;
    this.#frame = begin;
    this.#stream = stream;
  }

  /** Can an entry with so many bytes of its own become part of the last frame? */
  #joins(stream: number, bytes: number): boolean {
    const { multiplexed, gathered } = this.#format;
    if (!multiplexed || !gathered || this.#at === 0 || this.#stream !== stream) return false;
    const rest = (this.#format.timestamps ? TIME_BYTES : 0) + this.#format.details.length;
    return this.#at - this.#frame - HEADER_BYTES + rest + bytes <= MOST_GATHERED;
  }

  async #makeRoom(bytes: number): Promise<void> {
    await this.#send();
    // Labels of any size may stand in front of a line.
    if (bytes > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(bytes);
  }

  async #send(): Promise<void> {
    if (this.#at === 0) return;
    const buffer = this.#buffer;
    const before = this.#sent;
    this.#sent = this.#written(buffer.subarray(0, this.#at));
    this.#sent.catch(() => undefined);
    this.#at = 0;
    // The other buffer is free as soon as what was sent before is out.
    await before;
    this.#buffer = this.#other ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
    this.#other = buffer;
  }

  /** Resolves when the chunk has left this process; rejects when the client is gone. */
  #written(chunk: Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#response.write(chunk, (error) => (error == null ? resolve() : reject(error)));
    return orAborted(promise, this.#signal);
  }
}
