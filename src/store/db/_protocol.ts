import type { ErrorCode } from '../../base/errors.ts';
import type { EventInput, JournalEvent } from '../../spec/engine/event.ts';

/** One record change with its value already encoded; `json` is absent for a deletion. */
export interface EncodedRecord {
  readonly kind: string;
  readonly id: string;
  readonly json?: string;
}

/** What one call of `commit` asks for. */
export interface EncodedChange {
  readonly records: readonly EncodedRecord[];
  readonly events: readonly (EventInput & { readonly timeNs: bigint })[];
}

/** Which part of the journal to read; all bounds are optional and inclusive, except `afterSeq`. */
export interface EventQuery {
  readonly afterSeq?: number;
  readonly sinceNs?: bigint;
  readonly untilNs?: bigint;
  /** At most so many; ask again with the last one's `seq` as `afterSeq` for more. */
  readonly limit: number;
}

/** What the journal holds: its oldest event, and the number of its newest one, 0 before there was any. */
export interface EventBounds {
  readonly first: { readonly seq: number; readonly timeNs: bigint } | undefined;
  readonly lastSeq: number;
}

export type DbRequest =
  | { readonly op: 'commit'; readonly changes: readonly EncodedChange[] }
  | { readonly op: 'load'; readonly kind: string }
  | { readonly op: 'events'; readonly query: EventQuery }
  | { readonly op: 'bounds' }
  | { readonly op: 'close' };

/** Something that the database noticed and that a person should read. */
export interface DbNotice {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** One stored record as text; it is decoded on the caller's side. */
export interface StoredRecord {
  readonly id: string;
  readonly json: string;
}

/** The answer to one request; requests are answered in their order, one at a time. */
export type DbAnswer = { readonly notices: readonly DbNotice[] } & (
  | { readonly result: 'committed'; readonly events: readonly (readonly JournalEvent[])[] }
  | { readonly result: 'records'; readonly records: readonly StoredRecord[] }
  | { readonly result: 'events'; readonly events: readonly JournalEvent[] }
  | { readonly result: 'bounds'; readonly bounds: EventBounds }
  | { readonly result: 'closed' }
  | { readonly result: 'opened' }
  | { readonly result: 'failed'; readonly code: ErrorCode; readonly message: string }
);

export interface DbWorkerData {
  readonly path: string;
  /** How many of the newest events are kept. */
  readonly eventRetention: number;
}
