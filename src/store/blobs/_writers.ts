import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, readdir, truncate, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../../base/errors.ts';
import { type Digest, digestOfHex, hexOf, randomHex64 } from '../../base/ids.ts';
import { commitFile, ensureDirectory, removeTree } from '../../sys/file/durable.ts';
import { expirePartials, partialLimits, type PartialLimits, partialName } from './_partials.ts';
import { Growth } from './growing.ts';
import type { BlobInfo } from './blobs.ts';
import type { BlobWriter, BlobWriterOptions } from './writer.ts';

const expiryIntervalMs = 6 * 3600 * 1000;
/** So many bytes are given to the disk early, that the sync at the end finds little to do. */
const writebackStep = 8 << 20;

/** The files that are being written: `<hex>.partial` for known digests, kept over restarts, else `<random>.new`. */
export class BlobWriters {
  readonly #directory: string;
  readonly #pathOf: (digest: Digest) => string;
  /** For each digest that is being written: resolves when its writer ends. */
  readonly #busy = new Map<Digest, Promise<void>>();
  readonly #limits: PartialLimits;
  readonly #writeback: Writeback = { isBusy: false };

  private constructor(directory: string, pathOf: (digest: Digest) => string, limits: PartialLimits) {
    this.#directory = directory;
    this.#pathOf = pathOf;
    this.#limits = limits;
    setInterval(() => void this.#expire(), expiryIntervalMs).unref();
  }

  static async open(
    directory: string,
    pathOf: (digest: Digest) => string,
    limits = partialLimits,
  ): Promise<BlobWriters> {
    await ensureDirectory(directory);
    for (const name of await readdir(directory)) {
      if (!name.endsWith('.partial')) await removeTree(join(directory, name));
    }
    const writers = new BlobWriters(directory, pathOf, limits);
    await writers.#expire();
    return writers;
  }

  /** What cannot be deleted now stays for the next time. */
  #expire(): Promise<unknown> {
    return this.#clean(this.#limits).catch(() => undefined);
  }

  #clean(limits: PartialLimits): Promise<number> {
    const busy = (name: string): boolean =>
      [...this.#busy.keys()].some((digest) => name === partialName(hexOf(digest)));
    return expirePartials(this.#directory, busy, limits);
  }

  /** See `BlobStore.interrupted`. */
  interrupted(discard: boolean): Promise<number> {
    const all = Number.POSITIVE_INFINITY;
    return this.#clean({ maxAgeMs: all, maxBytes: discard ? -1 : all });
  }

  create(options: BlobWriterOptions): Promise<BlobWriter> {
    return this.#start(join(this.#directory, `${randomHex64().slice(0, 24)}.new`), options, () => undefined);
  }

  /** Waits for its turn and goes on with what an earlier writer of the digest suspended. */
  async resume(options: BlobWriterOptions & { digest: Digest }): Promise<BlobWriter> {
    for (let other = this.#busy.get(options.digest); other; other = this.#busy.get(options.digest)) await other;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#busy.set(options.digest, promise);
    const ended = (kept: boolean): void => {
      this.#busy.delete(options.digest);
      resolve();
      if (kept) void this.#expire();
    };
    try {
      return await this.#start(join(this.#directory, partialName(hexOf(options.digest))), options, ended);
    } catch (error) {
      ended(false);
      throw error;
    }
  }

  async #start(path: string, options: BlobWriterOptions, ended: Target['ended']): Promise<BlobWriter> {
    const file = await open(path, 'a+', 0o600);
    try {
      let { hash, length } = await hashOf(file);
      if (options.size !== undefined && length > options.size) {
        await truncate(path);
        hash = createHash('sha256');
        length = 0;
      }
      const target = { file, path, pathOf: this.#pathOf, options, ended, writeback: this.#writeback };
      return new OpenWriter(target, hash, length);
    } catch (error) {
      await file.close();
      throw error;
    }
  }
}

async function hashOf(file: FileHandle): Promise<{ hash: Hash; length: number }> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(1 << 20);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, length);
    if (bytesRead === 0) return { hash, length };
    hash.update(buffer.subarray(0, bytesRead));
    length += bytesRead;
  }
}

/** Of all writers one at a time gives bytes to the disk early: it takes a thread of Node's pool while the disk works. */
interface Writeback {
  isBusy: boolean;
}

interface Target {
  readonly file: FileHandle;
  readonly path: string;
  readonly pathOf: (digest: Digest) => string;
  readonly options: BlobWriterOptions;
  /** Whether its bytes were kept for another attempt. */
  readonly ended: (kept: boolean) => void;
  readonly writeback: Writeback;
}

class OpenWriter implements BlobWriter {
  readonly #target: Target;
  #hash: Hash;
  #length: number;
  readonly growing: Growth;
  /** As much is on the disk, or on the way there. */
  #flushed: number;
  #flushing: Promise<void> = Promise.resolve();
  #open = true;
  /** Known when the bytes are all there. */
  #digest: Digest | undefined;

  constructor(target: Target, hash: Hash, length: number) {
    this.#target = target;
    this.#hash = hash;
    this.#length = length;
    this.#flushed = length;
    this.growing = new Growth(() => this.#names(), length);
  }

  get offset(): number {
    return this.#length;
  }

  async write(bytes: Uint8Array): Promise<void> {
    const { size } = this.#target.options;
    if (size !== undefined && this.#length + bytes.length > size) {
      throw new EngineError('corrupt', `${this.#name()} has more than the ${size} bytes it should have`);
    }
    this.#hash.update(bytes);
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#target.file.write(bytes, at, bytes.length - at, this.#length);
      at += bytesWritten;
      this.#length += bytesWritten;
    }
    this.growing.grewTo(this.#length);
    if (this.#length - this.#flushed >= writebackStep) this.#flushEarly();
  }

  #flushEarly(): void {
    const { file, writeback } = this.#target;
    if (writeback.isBusy) return;
    writeback.isBusy = true;
    this.#flushed = this.#length;
    const before = this.#flushing;
    const flushed = file.datasync().finally(() => {
      writeback.isBusy = false;
    });
    // The kernel tells of a failure once: who commits must hear of it.
    this.#flushing = Promise.all([before, flushed]).then(() => undefined);
    this.#flushing.catch(() => undefined);
  }

  async restart(): Promise<void> {
    await this.#target.file.truncate(0);
    this.#hash = createHash('sha256');
    this.#length = 0;
    this.#flushed = 0;
  }

  async commit(): Promise<BlobInfo> {
    const { file, path, pathOf, options } = this.#target;
    const digest = digestOfHex(this.#hash.digest('hex'));
    this.#digest = digest;
    try {
      if (options.size !== undefined && this.#length !== options.size) {
        throw new EngineError('corrupt', `${this.#name()} has ${this.#length} bytes instead of ${options.size}`);
      }
      if (options.digest !== undefined && options.digest !== digest) {
        throw new EngineError('corrupt', `${this.#name()}: its bytes have the digest ${digest}`);
      }
      // Verified: readers need not wait for the disk.
      this.growing.completed();
      await this.#flushing;
      await file.sync();
      await commitFile(path, pathOf(digest));
    } catch (error) {
      await this.discard();
      throw error;
    }
    await this.#end();
    return { digest, size: this.#length };
  }

  async suspend(): Promise<void> {
    if (this.#target.options.digest === undefined || this.#length === 0) await this.discard();
    else await this.#end(true);
  }

  async discard(): Promise<void> {
    if (!this.#open) return;
    await unlink(this.#target.path).catch(() => undefined);
    await this.#end();
  }

  async #end(kept = false): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#target.file.close().finally(() => this.#target.ended(kept));
  }

  #names(): string[] {
    const { path, pathOf } = this.#target;
    return this.#digest === undefined ? [path] : [path, pathOf(this.#digest)];
  }

  #name(): string {
    return this.#target.options.digest === undefined ? 'the blob' : `blob ${this.#target.options.digest}`;
  }
}
