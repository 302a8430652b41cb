import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { constants, crc32, deflateRaw, zstdCompress, zstdCompressSync } from 'node:zlib';
import { BufferGarbage } from '../../base/buffer-garbage.ts';
import type { ByteStream } from '../../base/stream.ts';

/** Bytes that are compressed at once. */
const blockSize = 1 << 20;
/** Blocks under way at once; Node's thread pool has four threads, and files need some as well. */
const mostBlocks = Math.min(3, availableParallelism());
/** How far back deflate looks: the end of a block is shown to the next one. */
const windowSize = 32 << 10;

/** What a compressed stream is put together of. Blocks do not depend on each other's output. */
interface Format {
  readonly start: Uint8Array;
  /** `before` is the end of the block before, at most `windowSize` bytes; `room` gives a place for the result. */
  block(bytes: Uint8Array, before: Uint8Array | undefined, room: () => Buffer): Promise<Uint8Array>;
  /** `crc` and `length` are those of all bytes together. */
  end(crc: number, length: number): Uint8Array;
}

interface Pending {
  readonly block: Buffer;
  readonly packed: Promise<Uint8Array>;
  /** Where the result is, when that is in a place of ours. */
  readonly room: Buffer | undefined;
}

/**
 * `source` compressed, several blocks at once in Node's thread pool: the same bytes give the same result, however they
 * come in. A piece of `source` is copied before the next one is asked for; a piece of the result is only valid until the
 * next one is. Memory: about 3 MiB a block under way. `onPlain` is given the bytes of `source` in large pieces, each of
 * which it may use until it resolves.
 *
 * `gzip`: one member (RFC 1952) whose blocks end at byte boundaries, so that any reader takes it. `zstd`: a frame for each
 * block (RFC 8878: frames one after the other are their contents one after the other).
 */
export async function* compress(
  source: ByteStream,
  form: 'gzip' | 'zstd',
  onPlain?: (bytes: Uint8Array) => Promise<void>,
): AsyncGenerator<Uint8Array, void> {
  const format = formats[form];
  const garbage = new BufferGarbage();
  const rooms: Buffer[] = [];
  const results: Buffer[] = [];
  const pending: Pending[] = [];
  let [crc, length] = [0, 0];
  let before: Uint8Array | undefined;
  if (format.start.length > 0) yield format.start;
  try {
    for await (const bytes of inBlocks(source, () => rooms.pop() ?? Buffer.allocUnsafeSlow(blockSize))) {
      crc = crc32(bytes, crc);
      length += bytes.length;
      let room: Buffer | undefined;
      const packed = format.block(bytes, before, () => {
        room = results.pop() ?? Buffer.allocUnsafeSlow(storedSize(blockSize));
        return room;
      });
      // Whoever waits for it sees a failure; nobody may.
      packed.catch(() => undefined);
      pending.push({ block: bytes, packed, room });
      before = Uint8Array.from(bytes.subarray(-windowSize));
      await onPlain?.(bytes);
      const oldest = pending.length < mostBlocks ? undefined : pending.shift();
      if (oldest === undefined) continue;
      yield await oldest.packed;
      rooms.push(Buffer.from(oldest.block.buffer));
      if (oldest.room === undefined) garbage.add(chunkSize);
      else results.push(oldest.room);
    }
    for (const { packed } of pending.splice(0)) yield await packed;
    const end = format.end(crc, length);
    if (end.length > 0) yield end;
  } finally {
    await Promise.allSettled(pending.map(({ packed }) => packed));
  }
}

/** The stream in blocks of `blockSize`, but for the last one; each is the caller's own. */
async function* inBlocks(source: ByteStream, room: () => Buffer): AsyncGenerator<Buffer, void> {
  let block: Buffer | undefined;
  let filled = 0;
  for await (const piece of source) {
    for (let at = 0; at < piece.length; ) {
      block ??= room();
      const count = Math.min(blockSize - filled, piece.length - at);
      block.set(piece.subarray(at, at + count), filled);
      at += count;
      filled += count;
      if (filled < blockSize) continue;
      yield block;
      block = undefined;
      filled = 0;
    }
  }
  if (block !== undefined && filled > 0) yield block.subarray(0, filled);
}

const deflate = promisify(deflateRaw) as (bytes: Uint8Array, options: object) => Promise<Buffer>;
const zstd = promisify(zstdCompress) as (bytes: Uint8Array, options: object) => Promise<Buffer>;
/** A block's output in one piece: with the default of 16 KiB each piece is a trip to the thread pool. */
const chunkSize = blockSize + (64 << 10);
const nothing = new Uint8Array();

const formats: Readonly<Record<'gzip' | 'zstd', Format>> = {
  gzip: {
    // No name, no time; "other" operating system.
    start: Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff),
    block(bytes, before, room) {
      if (isNoise(bytes)) return Promise.resolve(stored(bytes, room()));
      // Of the faster levels none is much smaller than the first (docs/benchmarks.md).
      const dictionary = before === undefined ? {} : { dictionary: before };
      return deflate(bytes, { level: 1, chunkSize, finishFlush: constants.Z_SYNC_FLUSH, ...dictionary });
    },
    end(crc, length) {
      const end = Buffer.alloc(10);
      // The last block, an empty one (RFC 1951, 3.2.6).
      end.writeUInt16LE(0x0003, 0);
      end.writeUInt32LE(crc, 2);
      end.writeUInt32LE(length % 2 ** 32, 6);
      return end;
    },
  },
  zstd: {
    start: nothing,
    block: (bytes) => zstd(bytes, { chunkSize, params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
    // Nothing at all is no zstd stream.
    end: (_crc, length) => (length === 0 ? zstdCompressSync(nothing) : nothing),
  },
};

/** Of a stored block (RFC 1951, 3.2.4): the longest that there is, and what is before it, at a byte's boundary. */
const longestStored = 0xffff;
const storedHead = 5;
const storedSize = (length: number): number => length + storedHead * Math.ceil(length / longestStored);

/** Bytes as deflate has them that are not compressed. */
function stored(bytes: Uint8Array, room: Buffer): Uint8Array {
  let at = 0;
  for (let from = 0; from < bytes.length; from += longestStored) {
    const part = bytes.subarray(from, from + longestStored);
    room[at] = 0;
    room.writeUInt16LE(part.length, at + 1);
    room.writeUInt16LE(~part.length & 0xffff, at + 3);
    room.set(part, at + storedHead);
    at += storedHead + part.length;
  }
  return room.subarray(0, at);
}

const samples = 16;
const sampleSize = 1 << 10;

/**
 * Whether compressing is in vain: deflate is slowest where it wins nothing (40 MB/s), and zstd tells it of 16 KiB in some
 * 20 microseconds. Pieces from all over the block: one file of text among photographs counts.
 */
function isNoise(block: Uint8Array): boolean {
  const sample = Buffer.alloc(Math.min(block.length, samples * sampleSize));
  const each = Math.floor(sample.length / samples);
  const stride = Math.floor(block.length / samples);
  if (each === 0) return false;
  for (let at = 0; at < samples; at++) sample.set(block.subarray(at * stride, at * stride + each), at * each);
  const packed = zstdCompressSync(sample, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  return packed.length > sample.length * 0.99;
}
