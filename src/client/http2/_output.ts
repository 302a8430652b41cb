/** So much may wait for the peer before senders do. */
const mostWaiting = 1 << 20;

/** Frames on their way out: those of one turn of the event loop are written at once. */
export class FrameOutput {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #onError: (error: unknown) => void;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #writing: Promise<void> | undefined;

  constructor(write: (bytes: Uint8Array) => Promise<void>, onError: (error: unknown) => void) {
    this.#write = write;
    this.#onError = onError;
  }

  push(...pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) {
      this.#pieces.push(piece);
      this.#bytes += piece.length;
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
      while (this.#pieces.length > 0) {
        const pieces = this.#pieces;
        this.#pieces = [];
        this.#bytes = 0;
        await this.#write(Buffer.concat(pieces));
      }
    } finally {
      this.#writing = undefined;
    }
  }
}
