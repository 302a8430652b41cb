import type { Digest, DiffId } from '../base/ids.ts';
import type { ByteStream } from '../base/stream.ts';
import type { ImageMountPlaces } from '../spec/contract/storage.ts';
import type { GrowingFile } from '../store/blobs/growing.ts';
import type { ArchiveFeed } from '../store/layers/feed.ts';

/** What the images room uses of the store (`src/store/open.ts`); the words are explained there. */
export interface ContentStore {
  readonly blobs: {
    stat(digest: Digest): Promise<StoredBlob | undefined>;
    path(digest: Digest): string;
    read(digest: Digest, options?: { start?: number; expectedSize?: number }): ByteStream;
    readVerified(digest: Digest, limit: number): Promise<Uint8Array>;
    write(options: { digest: Digest; size?: number }): Promise<BlobSink | undefined>;
    writeNew(options?: { size?: number }): Promise<BlobSink>;
    put(bytes: Uint8Array, expected?: Digest): Promise<StoredBlob>;
    interrupted(options?: { discard?: boolean }): Promise<number>;
    list(): Promise<readonly StoredBlob[]>;
    setAside(digest: Digest): Promise<{ restore(): Promise<void>; drop(): Promise<void> }>;
  };
  readonly layers: {
    /** `erofs`, `dir`. */
    readonly kind: string;
    ingest(source: string | GrowingFile | ArchiveFeed, options?: UnpackOptions): Promise<{ readonly diffId: DiffId }>;
    list(): readonly { readonly storedSize: number }[];
    info(diffId: DiffId): { readonly storedSize: number } | undefined;
    users(diffId: DiffId): number;
    verify(diffId: DiffId, archivePath?: string): Promise<string | undefined>;
    delete(diffId: DiffId): Promise<void>;
  };
  /** Where images are mounted on the host; without it none can be. */
  readonly imageMounts?: ImageMountPlaces;
  lease(): StoreLease;
  collectGarbage(live: () => LiveContent): Promise<unknown>;
  onGarbage(listener: () => void): void;
}

export interface StoredBlob {
  readonly digest: Digest;
  readonly size: number;
}

export interface BlobSink {
  readonly offset: number;
  readonly growing: GrowingFile;
  write(bytes: Uint8Array): Promise<void>;
  commit(): Promise<StoredBlob>;
  suspend(): Promise<void>;
  discard(): Promise<void>;
}

export interface UnpackOptions {
  readonly expected?: DiffId;
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (bytesRead: number) => void;
}

export interface StoreLease {
  blob(digest: Digest): Promise<void>;
  layer(diffId: DiffId): Promise<void>;
  release(): void;
}

export interface LiveContent {
  readonly blobs: ReadonlySet<Digest>;
  readonly layers: ReadonlySet<DiffId>;
}
