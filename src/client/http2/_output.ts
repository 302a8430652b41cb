/** So much may wait for the peer before senders do. */
const mostWaiting = 1 << 20;
const leastRoom = 16 << 10;

/**
 * Frames on their way out: those of one turn of the event loop are written at once. They are copied, so senders may use
 * their bytes again; one of two buffers is filled while the other is written.
 */
export class FrameOutput {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #onError: (error: unknown) => void;
  #filling = new Uint8Array(leastRoom);
  #bytes = 0;
  #spare = new Uint8Array(0);
  #writing: Promise<void> | undefined;

  constructor(write: (bytes: Uint8Array) => Promise<void>, onError: (error: unknown) => void) {
    this.#write = write;
    this.#onError = onError;
  }

  push(...pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) {
      const length = this.#bytes + piece.length;
      if (length > this.#filling.length) {
        const grown = new Uint8Array(Math.max(leastRoom, 2 * length));
        grown.set(this.#filling.subarray(0, this.#bytes));
        this.#filling = grown;
      }
      this.#filling.set(piece, this.#bytes);
      this.#bytes = length;
    }
    this.#writing ??= Promise.resolve()
      .then(() => this.#drain())
      .catch(this.#onError);
  }

  /** Resolves when there is room for more. */
  async room(): Promise<void> {
    while (this.#bytes > mostWaiting && this.#writing !== undefined) await this.#writing;
  }

  /** Resolves when all is written. */
  async flushed(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async #drain(): Promise<void> {
    try {
      while (this.#bytes > 0) {
        const [filled, length] = [this.#filling, this.#bytes];
        this.#filling = this.#spare;
        this.#bytes = 0;
        await this.#write(filled.subarray(0, length));
        this.#spare = filled;
      }
    } finally {
      this.#writing = undefined;
    }
  }
}
