import { type FileHandle, open, unlink } from 'node:fs/promises';
import { type EngineError, invalid } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';

/** A piece of a pack. */
export interface Extent {
  readonly pack: Pack;
  readonly offset: number;
  readonly length: number;
}

/** What a build sends is more than the engine's operator wants to take. */
export const tooLarge = (mostBytes: number): EngineError =>
  invalid(`the build context is larger than ${mostBytes} bytes, the engine's limit (--build-context-limit)`);

/** Written at once: files of a context are mostly much smaller. */
const bufferBytes = 1 << 20;

/**
 * One file that holds the contents of many: contexts of 10,000 small files are written and read with a few hundred system
 * calls, and no name that a client chose ever reaches the file system. It is deleted when its last holder lets go. While it
 * is written it has two buffers, of which one is filled while the other is on its way to the file.
 */
export class Pack {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #mostBytes: number;
  #holders = 1;
  #filling: Buffer | undefined;
  #filled = 0;
  #spare: Buffer | undefined;
  /** Given to the file, or on the way there. */
  #written = 0;
  #writing: Promise<void> = Promise.resolve();

  private constructor(file: FileHandle, path: string, mostBytes: number) {
    this.#file = file;
    this.#path = path;
    this.#mostBytes = mostBytes;
  }

  /** A new, empty one, which its maker holds. It takes no more than `mostBytes`. */
  static async create(path: string, mostBytes = Number.POSITIVE_INFINITY): Promise<Pack> {
    return new Pack(await open(path, 'wx+', 0o600), path, mostBytes);
  }

  /** Bytes so far. */
  get size(): number {
    return this.#written + this.#filled;
  }

  /**
   * Adds bytes, which may be used again when it resolves. One call after the other. @throws EngineError `invalid` beyond the limit;
   * the error of the disk
   */
  async append(bytes: Uint8Array): Promise<Extent> {
    if (this.size + bytes.length > this.#mostBytes) throw tooLarge(this.#mostBytes);
    const extent = { pack: this, offset: this.size, length: bytes.length };
    for (let at = 0; at < bytes.length; ) {
      const buffer = (this.#filling ??= Buffer.allocUnsafeSlow(bufferBytes));
      const count = Math.min(bytes.length - at, bufferBytes - this.#filled);
      buffer.set(bytes.subarray(at, at + count), this.#filled);
      at += count;
      this.#filled += count;
      if (this.#filled === bufferBytes) await this.#turnBuffers();
    }
    return extent;
  }

  /** What was added can be read from now on. @throws the error of the disk */
  async flush(): Promise<void> {
    if (this.#filled > 0) await this.#turnBuffers();
    await this.#writing;
    this.#filling = undefined;
    this.#spare = undefined;
  }

  /** The buffer that is full goes to the file, and the one before it is filled again when it is there. */
  async #turnBuffers(): Promise<void> {
    const [buffer, length, at] = [this.#filling, this.#filled, this.#written];
    if (buffer === undefined) return;
    await this.#writing;
    this.#filling = this.#spare;
    this.#spare = buffer;
    this.#filled = 0;
    this.#written += length;
    this.#writing = this.#write(buffer.subarray(0, length), at);
    // Who adds more, or flushes, is told of a failure.
    this.#writing.catch(() => undefined);
  }

  async #write(bytes: Uint8Array, at: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, at + done);
      done += bytesWritten;
    }
  }

  /** Fills a buffer with the bytes that begin at `offset`. @throws Error when there are fewer */
  async read(buffer: Uint8Array, offset: number): Promise<void> {
    for (let done = 0; done < buffer.length; ) {
      const { bytesRead } = await this.#file.read(buffer, done, buffer.length - done, offset + done);
      if (bytesRead === 0) throw new Error('a context was cut off on the disk');
      done += bytesRead;
    }
  }

  hold(): void {
    this.#holders++;
  }

  async release(): Promise<void> {
    if (--this.#holders > 0) return;
    await this.#writing.catch(() => undefined);
    await this.#file.close();
    await unlink(this.#path);
  }
}

/** Extents with one more behind them, as one where they lie side by side. */
export function addExtent(extents: Extent[], next: Extent): void {
  const last = extents.at(-1);
  if (last?.pack === next.pack && last.offset + last.length === next.offset) {
    extents[extents.length - 1] = { ...last, length: last.length + next.length };
  } else if (next.length > 0) extents.push(next);
}

/** The bytes of pieces, in their order; each piece is the caller's own. */
export async function* readExtents(extents: readonly Extent[]): ByteStream {
  for await (const piece of new PackReader().read(extents)) yield Buffer.from(piece);
}

/** Read at first, and where the reader jumps. */
const leastWindow = 64 << 10;

/**
 * Reads one file after the other with one buffer: small ones that lie side by side are read together. One stream after
 * the other.
 */
export class PackReader {
  #buffer = Buffer.alloc(0);
  #window = 0;
  #pack: Pack | undefined;
  #start = 0;
  #length = 0;

  /** The bytes of pieces, in their order. A piece is only valid until the next one is asked for, of this stream or another one. */
  async *read(extents: readonly Extent[]): ByteStream {
    for (const { pack, offset, length } of extents) {
      for (let at = 0; at < length; ) {
        if (!this.#has(pack, offset + at)) await this.#fill(pack, offset + at);
        const from = offset + at - this.#start;
        const count = Math.min(length - at, this.#length - from);
        yield this.#buffer.subarray(from, from + count);
        at += count;
      }
    }
  }

  #has(pack: Pack, offset: number): boolean {
    return pack === this.#pack && offset >= this.#start && offset < this.#start + this.#length;
  }

  /** Who goes on where it was gets more and more at once. */
  async #fill(pack: Pack, offset: number): Promise<void> {
    const goesOn = pack === this.#pack && offset === this.#start + this.#length;
    this.#window = goesOn ? Math.min(bufferBytes, 2 * this.#window) : leastWindow;
    if (this.#window > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(this.#window);
    this.#length = 0;
    const length = Math.min(this.#window, pack.size - offset);
    if (length <= 0) throw new Error('a context was cut off on the disk');
    await pack.read(this.#buffer.subarray(0, length), offset);
    [this.#pack, this.#start, this.#length] = [pack, offset, length];
  }
}
