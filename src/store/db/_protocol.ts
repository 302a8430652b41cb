import type { AsideRecord } from '../../spec/contract/state.ts';
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
  | { readonly op: 'kinds' }
  | { readonly op: 'aside' }
  | { readonly op: 'set-aside'; readonly record: AsideRecord }
  | { readonly op: 'settle'; readonly records: readonly AsideRecord[] }
  | { readonly op: 'check'; readonly repair: boolean }
  | { readonly op: 'close' };

/** A record that is not as it was written. */
export interface RecordFault {
  readonly kind: string;
  readonly id: string;
  readonly reason: string;
  /** It is as it was written again. */
  readonly isMended: boolean;
}

/** What `check` found. */
export interface DbCheck {
  readonly records: number;
  readonly events: number;
  /** What SQLite's own check says about the file, a line each; empty when it is sound. */
  readonly faults: readonly string[];
  readonly badRecords: readonly RecordFault[];
}

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
  | { readonly result: 'kinds'; readonly kinds: readonly string[] }
  | { readonly result: 'aside'; readonly records: readonly AsideRecord[] }
  | { readonly result: 'checked'; readonly report: DbCheck }
  | { readonly result: 'closed' }
  | { readonly result: 'opened' }
  | { readonly result: 'failed'; readonly code: ErrorCode; readonly message: string }
);

export interface DbWorkerData {
  readonly path: string;
  /** Directories that are empty, or not there, where there never was a state database. */
  readonly contentDirectories: readonly string[];
  /** How many of the newest events are kept. */
  readonly eventRetention: number;
}
