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
 * calls, and no name that a client chose ever reaches the file system. It is deleted when its last holder lets go.
 */
export class Pack {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #mostBytes: number;
  #holders = 1;
  #buffer: Buffer[] = [];
  #buffered = 0;
  #written = 0;

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
    return this.#written + this.#buffered;
  }

  /** Adds bytes, which must not change any more. One call after the other. @throws EngineError `invalid` beyond the limit */
  async append(bytes: Uint8Array): Promise<Extent> {
    if (this.size + bytes.length > this.#mostBytes) throw tooLarge(this.#mostBytes);
    const extent = { pack: this, offset: this.size, length: bytes.length };
    this.#buffer.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    this.#buffered += bytes.length;
    if (this.#buffered >= bufferBytes) await this.flush();
    return extent;
  }

  /** What was added can be read from now on. */
  async flush(): Promise<void> {
    const pieces = this.#buffer;
    const length = this.#buffered;
    if (length === 0) return;
    this.#buffer = [];
    const at = this.#written;
    this.#written += length;
    this.#buffered = 0;
    const whole = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces, length);
    for (let done = 0; done < length; ) {
      const { bytesWritten } = await this.#file.write(whole, done, length - done, at + done);
      done += bytesWritten;
    }
  }

  /** A piece of it. */
  async read(offset: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await this.#file.read(buffer, done, length - done, offset + done);
      if (bytesRead === 0) throw new Error('a context was cut off on the disk');
      done += bytesRead;
    }
    return buffer;
  }

  hold(): void {
    this.#holders++;
  }

  async release(): Promise<void> {
    if (--this.#holders > 0) return;
    await this.#file.close();
    await unlink(this.#path);
  }
}

/** The bytes of pieces, in their order. */
export async function* readExtents(extents: readonly Extent[]): ByteStream {
  for (const { pack, offset, length } of extents) {
    for (let at = 0; at < length; at += bufferBytes) {
      yield await pack.read(offset + at, Math.min(bufferBytes, length - at));
    }
  }
}
