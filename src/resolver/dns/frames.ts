/** Messages over TCP: each has its length before it, in two bytes (RFC 1035, section 4.2.2). */

export function frameMessage(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(2 + message.length);
  framed.writeUInt16BE(message.length, 0);
  framed.set(message, 2);
  return framed;
}

/** Puts messages together; holds at most one. */
export class MessageReader {
  readonly #onMessage: (message: Buffer) => void;
  readonly #limit: number;
  readonly #length = Buffer.alloc(2);
  #lengthBytes = 0;
  #message: Buffer | undefined;
  #filled = 0;

  /** `onMessage` may keep what it gets. */
  constructor(onMessage: (message: Buffer) => void, limit: number) {
    this.#onMessage = onMessage;
    this.#limit = limit;
  }

  /** False when a message is longer than `limit` bytes: nothing can be read any more. */
  read(chunk: Buffer): boolean {
    for (let at = 0; at < chunk.length; ) {
      const next = this.#message === undefined ? this.#head(chunk, at) : this.#body(chunk, at);
      if (next === undefined) return false;
      at = next;
    }
    return true;
  }

  #head(chunk: Buffer, at: number): number | undefined {
    this.#length[this.#lengthBytes++] = chunk[at] ?? 0;
    if (this.#lengthBytes === 2) {
      this.#lengthBytes = 0;
      const length = this.#length.readUInt16BE(0);
      if (length > this.#limit) return undefined;
      if (length > 0) this.#message = Buffer.allocUnsafeSlow(length);
    }
    return at + 1;
  }

  #body(chunk: Buffer, at: number): number {
    const message = this.#message;
    if (message === undefined) return at;
    const taken = chunk.copy(message, this.#filled, at);
    this.#filled += taken;
    if (this.#filled === message.length) {
      this.#message = undefined;
      this.#filled = 0;
      this.#onMessage(message);
    }
    return at + taken;
  }
}
