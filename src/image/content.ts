import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Mutex, throwIfAborted } from '../base/async.ts';
import { codeOf, EngineError, messageOf } from '../base/errors.ts';
import { type Digest, type DiffId, digestOfHex } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { ByteStream } from '../base/stream.ts';
import type { GrowingFile } from '../store/blobs/growing.ts';
import { ArchiveFeed } from '../store/layers/feed.ts';
import type { BlobSink, ContentStore, LiveContent, StoredBlob, UnpackOptions } from './ports.ts';

/** The store as the verbs on images see it: reading, and operations that add something. */
export interface ImageContent {
  /** A whole small blob, checked against its digest. @throws EngineError not-found, corrupt; invalid beyond `limit` */
  readBlob(digest: Digest, limit: number): Promise<Uint8Array>;
  /** Where a blob's file is, for readers in workers; it is there as long as an operation holds it. */
  blobPath(digest: Digest): string;
  /** A blob's bytes as they are stored. @throws EngineError not-found; `corrupt` when it has another size */
  streamBlob(digest: Digest, size: number, start?: number): ByteStream;
  /** Bytes on disk of an unpacked layer; 0 when it is not there. */
  layerSize(diffId: DiffId): number;
  /** How layers are kept: `erofs`, `dir`. */
  readonly storageDriver: string;
  hasLayer(diffId: DiffId): boolean;
  hasBlob(digest: Digest): Promise<boolean>;
  /** Bytes of downloads that broke off and nobody goes on with; `discard` deletes them. */
  interrupted(options?: { discard?: boolean }): Promise<number>;
  /** Begins an operation that adds content. */
  begin(): ContentOperation;
  /** Deletes everything that belongs to no image and no operation under way; failures are logged. */
  collect(): Promise<void>;
}

/**
 * One pull, load or import. Everything that it asks for, writes or unpacks is safe from deletion until `end`, also
 * before an image refers to it.
 */
export interface ContentOperation {
  /** Holds a blob, and tells its size; undefined when it is not there. */
  blobSize(digest: Digest): Promise<number | undefined>;
  /** Holds a layer, and tells whether it is there. */
  hasLayer(diffId: DiffId): Promise<boolean>;
  /**
   * Stores what `open` brings, or nothing when a blob of the expected digest exists. `open` is told how many bytes an
   * interrupted attempt left: the stream begins there. Interrupted again, the bytes are kept when their digest is
   * known. `begun` is given the bytes as they come, to unpack them meanwhile; a second time when what an earlier
   * attempt left turned out to be wrong, and everything is brought anew.
   * @throws EngineError `corrupt` when digest or size are not the expected ones
   */
  writeBlob(
    open: (from: number) => ByteStream,
    expected: { readonly digest?: Digest; readonly size?: number },
    begun?: (growing: GrowingFile) => void,
  ): Promise<StoredBlob>;
  /** Bytes that content of unknown size may take: what is free on the disk but for a spare that is left to others. */
  room(): Promise<number>;
  /** Stores a small document. @throws EngineError `corrupt` when its digest is another one */
  putBlob(bytes: Uint8Array, digest: Digest): Promise<void>;
  /**
   * Makes the layer out of a blob that is stored or being written, in a worker, or out of an archive that passes by: then whoever
   * has that must look whether the layer is still there (`hasLayer`). @throws EngineError corrupt, invalid, no-space, cancelled
   */
  unpack(source: Digest | GrowingFile | ArchiveFeed, options: UnpackOptions): Promise<DiffId>;
  /** Holds nothing any more. Who leaves unused content behind calls `collect` then. */
  end(): void;
}

/**
 * `live` names what the images need, at the moment of the call. While records that may have named content are set
 * aside, nothing is deleted: `held` tells how many there are.
 */
export function createImageContent(
  store: ContentStore,
  live: () => LiveContent,
  held: () => number,
  log: Logger,
): ImageContent {
  let toldOf = 0;
  // Between the moment a blob of unknown digest exists and the lease on it no collection may come.
  const turns = new Mutex();
  return {
    readBlob: (digest, limit) => store.blobs.readVerified(digest, limit),
    blobPath: (digest) => store.blobs.path(digest),
    streamBlob: (digest, size, start = 0) => store.blobs.read(digest, { start, expectedSize: size }),
    hasLayer: (diffId) => store.layers.info(diffId) !== undefined,
    hasBlob: async (digest) => (await store.blobs.stat(digest)) !== undefined,
    storageDriver: store.layers.kind,
    layerSize: (diffId) => store.layers.info(diffId)?.storedSize ?? 0,
    interrupted: (options) => store.blobs.interrupted(options),
    begin: () => new StoreOperation(store, turns),
    async collect() {
      const records = held();
      if (records > 0) {
        if (records !== toldOf) log.error(`unused blobs and layers are kept: ${heldReason(records)}`);
        toldOf = records;
        return;
      }
      try {
        await turns.run(() => store.collectGarbage(live));
      } catch (error) {
        log.warn('unused content could not be deleted', { error: messageOf(error) });
      }
    },
  };
}

/** Why nothing is deleted, and how that ends. */
export const heldReason = (records: number): string =>
  `${records} records could not be read and may need them: run 'gantry system check --repair'`;

class StoreOperation implements ContentOperation {
  readonly #store: ContentStore;
  readonly #turns: Mutex;
  readonly #lease: ReturnType<ContentStore['lease']>;

  constructor(store: ContentStore, turns: Mutex) {
    this.#store = store;
    this.#turns = turns;
    this.#lease = store.lease();
  }

  async blobSize(digest: Digest): Promise<number | undefined> {
    await this.#lease.blob(digest);
    return (await this.#store.blobs.stat(digest))?.size;
  }

  async hasLayer(diffId: DiffId): Promise<boolean> {
    await this.#lease.layer(diffId);
    return this.#store.layers.info(diffId) !== undefined;
  }

  async writeBlob(
    open: (from: number) => ByteStream,
    { digest, size }: { readonly digest?: Digest; readonly size?: number },
    begun?: (growing: GrowingFile) => void,
  ): Promise<StoredBlob> {
    const wanted = size === undefined ? {} : { size };
    if (digest === undefined) {
      await this.#checkRoom(size ?? 0);
      const sink = await this.#store.blobs.writeNew(wanted);
      begun?.(sink.growing);
      await fill(sink, open, false);
      return this.#turns.run(async () => {
        const blob = await sink.commit();
        await this.#lease.blob(blob.digest);
        return blob;
      });
    }
    await this.#lease.blob(digest);
    for (;;) {
      const sink = await this.#store.blobs.write({ ...wanted, digest });
      if (sink === undefined) return this.#existing(digest, size);
      const wasBegun = sink.offset > 0;
      try {
        await this.#checkRoom((size ?? 0) - sink.offset);
        begun?.(sink.growing);
        await fill(sink, open, true);
        return await sink.commit();
      } catch (error) {
        await sink.suspend();
        // What an earlier attempt left may be what is wrong: it is gone now, and the whole is brought anew.
        if (!wasBegun || codeOf(error) !== 'corrupt') throw error;
      }
    }
  }

  /** What cannot fit is refused before the disk is full. */
  async #checkRoom(size: number): Promise<void> {
    const free = await this.#freeBytes();
    if (size > free) {
      throw new EngineError('no-space', `no space left on device: ${size} bytes are needed, ${free} are free`);
    }
  }

  async #freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(dirname(this.#store.blobs.path(anyDigest)));
    return bavail * bsize;
  }

  async #existing(digest: Digest, size: number | undefined): Promise<StoredBlob> {
    const stored = await this.#store.blobs.stat(digest);
    if (stored === undefined || (size !== undefined && stored.size !== size)) {
      throw new EngineError('corrupt', `blob ${digest} has ${stored?.size ?? 0} bytes instead of ${size}`);
    }
    return stored;
  }

  async putBlob(bytes: Uint8Array, digest: Digest): Promise<void> {
    await this.#lease.blob(digest);
    await this.#store.blobs.put(bytes, digest);
  }

  async room(): Promise<number> {
    const free = await this.#freeBytes();
    return Math.min(largestLayer, free - Math.min(spareBytes, Math.floor(free / 8)));
  }

  async unpack(source: Digest | GrowingFile | ArchiveFeed, options: UnpackOptions): Promise<DiffId> {
    throwIfAborted(options.signal);
    if (options.expected !== undefined) await this.#lease.layer(options.expected);
    const file = typeof source === 'string' ? this.#store.blobs.path(source) : source;
    // A few bytes can unpack to more than any disk has: this ends before everybody else's writes fail.
    const maxBytes = await this.room();
    try {
      const { diffId } = await this.#store.layers.ingest(file, { ...options, maxBytes });
      // A layer whose name nobody knew before may have been collected the moment it was there.
      if (!(file instanceof ArchiveFeed) && !(await this.hasLayer(diffId))) {
        await this.#store.layers.ingest(file, { ...options, maxBytes, expected: diffId });
      }
      return diffId;
    } catch (error) {
      if (maxBytes === largestLayer || !isTooLarge(error, maxBytes)) throw error;
      throw new EngineError('no-space', `no space left on device: ${messageOf(error)} that are free`, { cause: error });
    }
  }

  end(): void {
    this.#lease.release();
  }
}

/** Bytes of a layer's archive that are too many in any case. */
const largestLayer = 2 ** 38;
/** Bytes that unpacking leaves to others on the disk, or an eighth of what is free where that is less. */
const spareBytes = 64 * 2 ** 20;

const isTooLarge = (error: unknown, maxBytes: number): boolean =>
  codeOf(error) === 'invalid' && messageOf(error).includes(`larger than the allowed ${maxBytes} bytes`);

/** Only for the folder that blobs are in. */
const anyDigest = digestOfHex('0'.repeat(64));

/** Writes a stream to a sink; when it breaks, what came is kept if it can be resumed. */
async function fill(sink: BlobSink, open: (from: number) => ByteStream, resumable: boolean): Promise<void> {
  try {
    for await (const chunk of open(sink.offset)) await sink.write(chunk);
  } catch (error) {
    // Wrong bytes are of no use to another attempt, and on a full disk they are in the way.
    const isUseful = resumable && codeOf(error) !== 'corrupt' && codeOf(error) !== 'no-space';
    await (isUseful ? sink.suspend() : sink.discard());
    throw error;
  }
}
