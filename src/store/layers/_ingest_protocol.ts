import type { ErrorCode } from '../../base/errors.ts';
import type { LayerHeader } from './_header.ts';

/** One archive for the ingest worker. */
export interface IngestJob {
  readonly kind: 'ingest';
  /** The archive; any supported compression. A file that grows is given open, and `IngestGrowth` tells how far it is. */
  readonly source: { readonly path: string } | { readonly fd: number };
  /** The EROFS file to make: it must not exist. */
  readonly target: string;
  readonly maxBytes: number;
  /** For messages. */
  readonly what: string;
}

/** About the growing file of the current job. */
export interface IngestGrowth {
  readonly kind: 'growth';
  readonly available: number;
  readonly complete: boolean;
}

/** What the worker reports about its job; `done` and `failed` end it. */
export type IngestReport =
  | { readonly kind: 'progress'; readonly bytesRead: number }
  | { readonly kind: 'done'; readonly header: LayerHeader; readonly storedSize: number }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string };
