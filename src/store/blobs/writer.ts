import type { Digest } from '../../base/ids.ts';
import type { GrowingFile } from './growing.ts';
import type { BlobInfo } from './blobs.ts';

export interface BlobWriterOptions {
  /** What the bytes must hash to. */
  readonly digest?: Digest;
  /** How many bytes there must be; more are refused at once. */
  readonly size?: number;
}

/** A blob on its way into the store. Exactly one of `commit`, `suspend` and `discard` ends it. */
export interface BlobWriter {
  /** Bytes that are there; a resumed download goes on here. */
  readonly offset: number;
  /** The bytes as they come, for who unpacks a layer meanwhile; complete when `commit` verified them. */
  readonly growing: GrowingFile;
  /** Appends; the bytes may be reused when it resolves. @throws corrupt beyond the expected size, no-space. */
  write(bytes: Uint8Array): Promise<void>;
  /** Forgets what was written, when the source cannot go on in the middle. */
  restart(): Promise<void>;
  /** Verifies, syncs, and gives the blob its name. @throws corrupt: then the bytes are gone, and the writer ended. */
  commit(): Promise<BlobInfo>;
  /** Ends without a blob and keeps the bytes for the next attempt (when the digest is known). */
  suspend(): Promise<void>;
  /** Ends without a blob and deletes the bytes; no error after another end. */
  discard(): Promise<void>;
}
