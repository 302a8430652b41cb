import type { ErrorCode } from '../../base/errors.ts';
import type { LayerHeader } from './_header.ts';

/** One archive for the ingest worker. */
export interface IngestJob {
  /** The archive; any supported compression. */
  readonly source: string;
  /** The EROFS file to make: it must not exist. */
  readonly target: string;
  readonly maxBytes: number;
  /** For messages. */
  readonly what: string;
}

/** What the worker reports about its job; `done` and `failed` end it. */
export type IngestReport =
  | { readonly kind: 'progress'; readonly bytesRead: number }
  | { readonly kind: 'done'; readonly header: LayerHeader; readonly storedSize: number }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string };
