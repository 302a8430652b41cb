import type { ErrorCode } from '../../base/errors.ts';
import type { FeedPiece } from './feed.ts';
import type { LayerHeader } from './_header.ts';

/** One archive for the ingest worker. */
export interface IngestJob {
  readonly kind: 'ingest';
  /** What is made of it: an image in one file, or a directory. */
  readonly form: 'erofs' | 'dir';
  /** The archive; any supported compression. A file that grows is given open, and `IngestGrowth` tells how far it is; pieces come as `IngestPiece`. */
  readonly source: { readonly path: string } | { readonly fd: number } | { readonly pieces: true };
  /** The EROFS file or the directory to make: it must not exist. */
  readonly target: string;
  readonly maxBytes: number;
  /** It is looked at and deleted: it need not be on the disk. */
  readonly passing?: boolean;
  /** For messages. */
  readonly what: string;
}

/** Work on whole trees: too long for the thread that serves. */
export type TreeJob =
  /** Deletes; what does not exist is no error. */
  | { readonly kind: 'remove'; readonly path: string }
  /** Looks how two trees differ, or a tree and its number of inodes. */
  | { readonly kind: 'compare'; readonly paths: readonly [string, string] }
  | { readonly kind: 'count'; readonly path: string; readonly inodes: number };

export type LayerJob = IngestJob | TreeJob;

/** About the growing file of the current job. */
export interface IngestGrowth {
  readonly kind: 'growth';
  readonly available: number;
  readonly complete: boolean;
}

/** Of the archive of the current job, its buffer included; without one when there are no more. */
export interface IngestPiece {
  readonly kind: 'piece';
  readonly piece?: FeedPiece;
}

/** What the worker reports about its job; all but `progress` and `read` end it. */
export type IngestReport =
  | { readonly kind: 'progress'; readonly bytesRead: number }
  /** A piece was read: here is its buffer. */
  | { readonly kind: 'read'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'done'; readonly header: LayerHeader; readonly storedSize: number }
  /** Of a tree: what was found wrong, if anything. */
  | { readonly kind: 'tree-done'; readonly found: string | undefined }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string };
