import { hash } from 'node:crypto';
import { open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError, notFound } from '../../base/errors.ts';
import { type Digest, digestOfHex, hexOf, isHex64 } from '../../base/ids.ts';
import type { ByteStream } from '../../base/stream.ts';
import { ensureDirectory } from '../../sys/file/durable.ts';
import { partialLimits } from './_partials.ts';
import { BlobWriters } from './_writers.ts';
import type { BlobWriter, BlobWriterOptions } from './writer.ts';

export interface BlobInfo {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/**
 * The content store: bytes by their sha256 digest, exactly as they were pulled or made. A blob is there whole and
 * verified, or not at all; it never changes.
 */
export interface BlobStore {
  /** Undefined when there is no such blob. */
  stat(digest: Digest): Promise<BlobInfo | undefined>;
  /** Where a blob's file is, for readers in workers; it need not exist. Never to be written to. */
  path(digest: Digest): string;
  /**
   * The bytes from `start` on. @throws not-found, or corrupt when the file has not `expectedSize` bytes. The digest is
   * not verified again: who trusts the content verifies it (a layer by its diff ID, JSON by `readVerified`).
   */
  read(digest: Digest, options?: { start?: number; expectedSize?: number }): ByteStream;
  /** A small blob, with its digest verified. @throws not-found, corrupt, and invalid when larger than `limit`. */
  readVerified(digest: Digest, limit: number): Promise<Uint8Array>;
  /**
   * Begins writing a blob. With an expected digest, what an earlier attempt left is there still (`writer.offset`), also
   * after a restart; a second writer of the same digest waits for the first. Undefined when the blob exists.
   */
  write(options: BlobWriterOptions & { digest: Digest }): Promise<BlobWriter | undefined>;
  /**
   * Takes a damaged blob out of the store until another one is there: `drop` deletes it, `restore` puts it back. What an
   * ended engine left so is put back, or deleted where the blob came again, when the store is opened.
   */
  setAside(digest: Digest): Promise<{ restore(): Promise<void>; drop(): Promise<void> }>;
  /** Begins writing a blob whose digest nobody knows yet. */
  writeNew(options?: BlobWriterOptions): Promise<BlobWriter>;
  /** Writes a small blob in one go; no error when it exists. @throws corrupt when it has not the expected digest. */
  put(bytes: Uint8Array, expected?: Digest): Promise<BlobInfo>;
  /** No error when there is none. Readers that have it open read on. */
  delete(digest: Digest): Promise<void>;
  list(): Promise<readonly BlobInfo[]>;
  /** Bytes of interrupted downloads that nobody goes on with at the moment; `discard` deletes them. */
  interrupted(options?: { discard?: boolean }): Promise<number>;
}

/**
 * Opens the store in `<root>/blobs/sha256` and `<root>/ingest`; temporary files without a digest are swept, interrupted
 * downloads kept within `limits`.
 */
export async function openBlobStore(root: string, limits = partialLimits): Promise<BlobStore> {
  const directory = join(root, 'blobs', 'sha256');
  await ensureDirectory(join(root, 'blobs'));
  await ensureDirectory(directory);
  const pathOf = (digest: Digest): string => join(directory, hexOf(digest));
  const statBlob = async (digest: Digest): Promise<BlobInfo | undefined> => {
    const found = await stat(pathOf(digest)).catch(ignoreMissing);
    return found === undefined ? undefined : { digest, size: found.size };
  };
  await settleDamaged(directory);
  const writers = await BlobWriters.open(join(root, 'ingest'), pathOf, limits);
  return {
    stat: statBlob,
    path: pathOf,
    read: (digest, options = {}) => readBlob(pathOf(digest), digest, options),
    readVerified: (digest, limit) => readVerified(pathOf(digest), digest, limit),
    async write(options) {
      const writer = await writers.resume(options);
      if ((await statBlob(options.digest)) === undefined) return writer;
      await writer.discard();
      return undefined;
    },
    writeNew: (options = {}) => writers.create(options),
    async put(bytes, expected) {
      const digest = digestOfHex(hash('sha256', bytes));
      if (expected !== undefined && expected !== digest) throw mismatch(expected, digest);
      const existing = await statBlob(digest);
      if (existing !== undefined) return existing;
      const writer = await writers.create({ digest });
      try {
        await writer.write(bytes);
        return await writer.commit();
      } catch (error) {
        await writer.discard();
        throw error;
      }
    },
    async setAside(digest) {
      const path = pathOf(digest);
      const aside = path + damagedSuffix;
      await rename(path, aside).catch(ignoreMissing);
      return {
        restore: () => rename(aside, path).catch(ignoreMissing),
        drop: () => unlink(aside).catch(ignoreMissing),
      };
    },
    async delete(digest) {
      await unlink(pathOf(digest)).catch(ignoreMissing);
    },
    list: () => listBlobs(directory),
    interrupted: ({ discard = false } = {}) => writers.interrupted(discard),
  };
}

/** The end of a damaged blob's name. */
const damagedSuffix = '.damaged';

async function settleDamaged(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const hex = name.slice(0, -damagedSuffix.length);
    if (!name.endsWith(damagedSuffix) || !isHex64(hex)) continue;
    const whole = await stat(join(directory, hex)).catch(ignoreMissing);
    const path = join(directory, name);
    await (whole === undefined ? rename(path, join(directory, hex)) : unlink(path));
  }
}

const ignoreMissing = (error: unknown): undefined => {
  if ((error as { code?: string }).code !== 'ENOENT') throw error;
};

const mismatch = (expected: Digest, actual: Digest): EngineError =>
  new EngineError('corrupt', `blob ${expected}: its bytes have the digest ${actual}`);

async function* readBlob(
  path: string,
  digest: Digest,
  { start = 0, expectedSize }: { start?: number; expectedSize?: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await open(path, 'r').catch((error: unknown) => {
    ignoreMissing(error);
    throw notFound(`blob ${digest} is not in the store`);
  });
  try {
    const { size } = await file.stat();
    if (expectedSize !== undefined && size !== expectedSize) {
      throw new EngineError('corrupt', `blob ${digest} has ${size} bytes instead of ${expectedSize}`);
    }
    yield* file.createReadStream({ autoClose: false, start, highWaterMark: 1 << 20 });
  } finally {
    await file.close();
  }
}

async function readVerified(path: string, digest: Digest, limit: number): Promise<Uint8Array> {
  const found = await stat(path).catch(ignoreMissing);
  if (found === undefined) throw notFound(`blob ${digest} is not in the store`);
  if (found.size > limit) throw new EngineError('invalid', `blob ${digest} is larger than the allowed ${limit} bytes`);
  const bytes = await readFile(path);
  const actual = digestOfHex(hash('sha256', bytes));
  if (actual !== digest) throw mismatch(digest, actual);
  return bytes;
}

async function listBlobs(directory: string): Promise<BlobInfo[]> {
  const blobs: BlobInfo[] = [];
  for (const name of await readdir(directory)) {
    if (!isHex64(name)) continue;
    const found = await stat(join(directory, name)).catch(ignoreMissing);
    if (found !== undefined) blobs.push({ digest: digestOfHex(name), size: found.size });
  }
  return blobs;
}
