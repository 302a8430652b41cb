/** Bytes of a piece. */
const pieceBytes = 1 << 20;
/** Pieces that are filled, on their way, or being read. */
const mostPieces = 4;

/** Where the pieces of an archive go. */
export interface FeedTarget {
  /** Takes a piece over, with its buffer; `giveBack` brings that back. */
  take(piece: FeedPiece): void;
  /** There are no more. */
  end(): void;
}

export interface FeedPiece {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** So many of them are the archive's. */
  readonly length: number;
}

/**
 * A plain archive on its way to who unpacks it in a thread, for who makes it and compresses it meanwhile: it need not be read
 * back from the disk and decompressed. Some buffers go to and fro; one writer, and one reader.
 */
export class ArchiveFeed {
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  #made = 0;
  #filling: Uint8Array<ArrayBuffer> | undefined;
  #filled = 0;
  readonly #waiting: FeedPiece[] = [];
  #target: FeedTarget | undefined;
  #state: 'open' | 'ended' | 'closed' = 'open';
  #wake: () => void = () => undefined;

  /** Adds bytes, which may be used again when it resolves. When nobody reads any more they are dropped. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && this.#state === 'open'; ) {
      this.#filling ??= this.#buffer();
      if (this.#filling === undefined) {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await promise;
        continue;
      }
      const count = Math.min(bytes.length - at, pieceBytes - this.#filled);
      this.#filling.set(bytes.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled === pieceBytes) this.#pass();
    }
  }

  /** The archive is complete. */
  end(): void {
    if (this.#state !== 'open') return;
    if (this.#filled > 0) this.#pass();
    this.#state = 'ended';
    this.#target?.end();
  }

  /** For the reader: everything goes there, also what waits already. */
  attach(target: FeedTarget): void {
    this.#target = target;
    for (const piece of this.#waiting.splice(0)) target.take(piece);
    if (this.#state === 'ended') target.end();
  }

  /** For the reader: a piece was read. */
  giveBack(bytes: Uint8Array<ArrayBuffer>): void {
    this.#free.push(bytes);
    this.#wake();
  }

  /** Nobody reads any more. */
  close(): void {
    this.#state = 'closed';
    this.#wake();
  }

  #buffer(): Uint8Array<ArrayBuffer> | undefined {
    const free = this.#free.pop();
    if (free !== undefined || this.#made === mostPieces) return free;
    this.#made++;
    return new Uint8Array(pieceBytes);
  }

  #pass(): void {
    if (this.#filling === undefined) return;
    const piece = { bytes: this.#filling, length: this.#filled };
    this.#filling = undefined;
    this.#filled = 0;
    if (this.#target === undefined) this.#waiting.push(piece);
    else this.#target.take(piece);
  }
}
