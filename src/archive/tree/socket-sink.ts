import { copyInto } from '../../base/room.ts';
import { sendAll, sendFromFile } from '../../sys/socket/stream-fd.ts';
import type { PackSink } from './pack.ts';

const bufferSize = 512 << 10;
/** Before each piece: its length in hexadecimal digits and a line break (RFC 9112, 7.1). */
const headSize = 10;
/** A file of this size or more goes to the socket without a copy of it here. */
const largeFile = 64 << 10;
/** Of a large file, in one chunk. */
const largestChunk = 64 << 20;
const lineBreak = Buffer.from('\r\n');

/** Writes an archive as the chunks of an HTTP body straight to its socket; the last, empty chunk is left to others. */
export class SocketSink implements PackSink {
  readonly #fd: number;
  readonly #wanted: () => void;
  readonly #buffer = Buffer.alloc(headSize + bufferSize + lineBreak.length);
  #filled = 0;

  /** `wanted` is asked while a reader is slow, and throws to give up. */
  constructor(fd: number, wanted: () => void) {
    this.#fd = fd;
    this.#wanted = wanted;
  }

  write(bytes: Uint8Array): void {
    copyInto(this, bytes);
  }

  reserve(): Buffer {
    if (this.#filled === bufferSize) this.flush();
    return this.#buffer.subarray(headSize + this.#filled, headSize + bufferSize);
  }

  advance(length: number): void {
    this.#filled += length;
  }

  flush(): void {
    if (this.#filled === 0) return;
    const head = chunkHead(this.#filled);
    const from = headSize - head.length;
    head.copy(this.#buffer, from);
    const end = headSize + this.#filled;
    lineBreak.copy(this.#buffer, end);
    sendAll(this.#fd, this.#buffer.subarray(from, end + lineBreak.length), this.#wanted);
    this.#filled = 0;
  }

  /** Sends exactly `size` bytes of an open file, with zeros where it has become shorter; false when that does not pay. */
  sendFile(file: number, size: number): boolean {
    if (size < largeFile) return false;
    this.flush();
    for (let left = size; left > 0; ) {
      const length = Math.min(left, largestChunk);
      sendAll(this.#fd, chunkHead(length), this.#wanted);
      this.#sendPart(file, length);
      sendAll(this.#fd, lineBreak, this.#wanted);
      left -= length;
    }
    return true;
  }

  #sendPart(file: number, length: number): void {
    for (let left = length; left > 0; ) {
      const sent = sendFromFile(this.#fd, file, left, this.#wanted);
      if (sent === 0) sendAll(this.#fd, Buffer.alloc(Math.min(left, bufferSize)), this.#wanted);
      left -= sent === 0 ? Math.min(left, bufferSize) : sent;
    }
  }
}

const chunkHead = (length: number): Buffer => Buffer.from(`${length.toString(16)}\r\n`);
