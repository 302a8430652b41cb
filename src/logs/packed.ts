/**
 * Rotated log files that are compressed: `<log>.<n>.gz`. Any gzip reads them. They are made of one gzip member for each
 * block of the same size (RFC 1952 lets members follow each other), and of an empty one at the end whose extra field is an
 * index. So a place in the log is found without unpacking what stands before it, and the file keeps the identity and
 * the offsets that it had before: positions of readers and cursors of drivers stay what they were.
 */
import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';

const pack = promisify(gzip);
const unpack = promisify(gunzip);

const LEAST_BLOCK = 256 * 1024;
const LARGEST_BLOCK = 64 * 1024 * 1024;
/** So that the index fits into an extra field, of which 64 KiB is the most. */
const MOST_BLOCKS = 4096;
/** ID1 ID2 CM FLG(FEXTRA) MTIME XFL OS, before the extra field's length. */
const HEAD = Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255]);
/** The extra field's length, the subfield's name and its length. */
const FIELD_HEAD = 6;
const FIELD_NAME = 'GL';
/** The whole member's length, the last of the extra field; then an empty deflate stream, CRC and length of nothing. */
const TAIL = 4 + 10;
const EMPTY_STREAM = Buffer.from([3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
const LARGEST_INDEX = HEAD.length + FIELD_HEAD + 0xffff + TAIL;

/** The index of a compressed file. */
interface PackedIndex {
  /** Identity of the file that it was made of. */
  readonly file: string;
  /** Length of that file. */
  readonly bytes: number;
  /** Length of a block, but for the last one. */
  readonly block: number;
  /** Compressed lengths of the blocks. */
  readonly sizes: readonly number[];
}

/** What is read of a log file, compressed or not; a `FileHandle` is one. */
export interface LogBytes {
  /** Fewer bytes than asked for only at the end. */
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
  /** The length, without compression. */
  stat(): Promise<{ readonly size: number }>;
  close(): Promise<void>;
}

/** The block length for a file; undefined when it is too large to be compressed (256 GiB). */
function blockFor(bytes: number): number | undefined {
  for (let block = LEAST_BLOCK; block <= LARGEST_BLOCK; block *= 2) if (bytes <= block * MOST_BLOCKS) return block;
  return undefined;
}

/**
 * Compresses what `from` holds to `to`, a block at a time in threads, and syncs it to the disk; `file` is the identity
 * of `from`. Answers how many bytes it read, undefined when there are too many. Closes neither.
 */
export async function packFile(
  from: FileHandle,
  to: FileHandle,
  file: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { size } = await from.stat();
  const block = blockFor(size);
  if (block === undefined) return undefined;
  const buffer = Buffer.allocUnsafeSlow(Math.min(block, size));
  const sizes: number[] = [];
  let bytes = 0;
  while (bytes < size) {
    signal.throwIfAborted();
    const { bytesRead } = await from.read(buffer, 0, Math.min(block, size - bytes), bytes);
    if (bytesRead === 0) break;
    const packed = await pack(buffer.subarray(0, bytesRead));
    await to.writeFile(packed);
    sizes.push(packed.length);
    bytes += bytesRead;
    // What comes after a short read would not stand where the index says.
    if (bytesRead < block) break;
  }
  await to.writeFile(indexMember({ file, bytes, block, sizes }));
  await to.sync();
  return bytes;
}

function indexMember(index: PackedIndex): Buffer {
  const text = Buffer.from(JSON.stringify(index));
  const head = Buffer.alloc(FIELD_HEAD);
  head.writeUInt16LE(text.length + 8, 0);
  head.write(FIELD_NAME, 2, 'latin1');
  head.writeUInt16LE(text.length + 4, 4);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(HEAD.length + FIELD_HEAD + text.length + TAIL);
  return Buffer.concat([HEAD, head, text, length, EMPTY_STREAM]);
}

/** The index of a compressed file; undefined when it is damaged. */
async function readIndex(handle: FileHandle): Promise<PackedIndex | undefined> {
  const { size } = await handle.stat();
  const tail = Buffer.alloc(TAIL);
  if (size < TAIL || (await handle.read(tail, 0, TAIL, size - TAIL)).bytesRead < TAIL) return undefined;
  const length = tail.readUInt32LE(0);
  if (length > Math.min(size, LARGEST_INDEX) || length < HEAD.length + FIELD_HEAD + TAIL) return undefined;
  const member = Buffer.alloc(length);
  if ((await handle.read(member, 0, length, size - length)).bytesRead < length) return undefined;
  const text = member.toString('utf8', HEAD.length + FIELD_HEAD, length - TAIL);
  return parseIndex(text, size - length);
}

function parseIndex(text: string, packedBytes: number): PackedIndex | undefined {
  try {
    const { file, bytes, block, sizes } = JSON.parse(text) as Partial<PackedIndex>;
    if (typeof file !== 'string' || typeof bytes !== 'number' || typeof block !== 'number') return undefined;
    if (!Array.isArray(sizes) || !(block >= LEAST_BLOCK && block <= LARGEST_BLOCK)) return undefined;
    const numbers = sizes.map(Number);
    if (numbers.reduce((sum, size) => sum + size, 0) !== packedBytes) return undefined;
    return Math.ceil(bytes / block) === numbers.length ? { file, bytes, block, sizes: numbers } : undefined;
  } catch {
    return undefined;
  }
}

/** A compressed file, read as if it were not. Of its blocks the last one read is kept. */
export class PackedBytes implements LogBytes {
  /** Identity of the file that it was made of. */
  readonly identity: string;
  readonly #handle: FileHandle;
  readonly #index: PackedIndex;
  readonly #starts: readonly number[];
  #kept: { readonly number: number; readonly content: Buffer } | undefined;

  private constructor(handle: FileHandle, index: PackedIndex) {
    this.#handle = handle;
    this.#index = index;
    this.identity = index.file;
    let at = 0;
    this.#starts = index.sizes.map((size) => {
      at += size;
      return at - size;
    });
  }

  /** Takes the handle over; undefined, and the handle closed, when the file is damaged. */
  static async open(handle: FileHandle): Promise<PackedBytes | undefined> {
    try {
      const index = await readIndex(handle);
      if (index !== undefined) return new PackedBytes(handle, index);
    } catch (error) {
      await handle.close();
      throw error;
    }
    await handle.close();
    return undefined;
  }

  async read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }> {
    const { bytes, block } = this.#index;
    const wanted = Math.min(length, bytes - position);
    let done = 0;
    while (done < wanted) {
      const number = Math.floor((position + done) / block);
      const content = await this.#block(number);
      const from = position + done - number * block;
      const copied = content.copy(buffer, offset + done, from, Math.min(content.length, from + wanted - done));
      if (copied === 0) throw new Error('a compressed log file is shorter than its index says');
      done += copied;
    }
    return { bytesRead: Math.max(0, done) };
  }

  async stat(): Promise<{ readonly size: number }> {
    return { size: this.#index.bytes };
  }

  async close(): Promise<void> {
    this.#kept = undefined;
    await this.#handle.close();
  }

  async #block(number: number): Promise<Buffer> {
    if (this.#kept?.number === number) return this.#kept.content;
    const packed = Buffer.alloc(this.#index.sizes[number] ?? 0);
    await this.#handle.read(packed, 0, packed.length, this.#starts[number] ?? 0);
    const content = await unpack(packed, { maxOutputLength: this.#index.block });
    this.#kept = { number, content };
    return content;
  }
}
