import type { EventInput, JournalEvent } from '../engine/event.ts';

/** One durable record: kind and id name it, `value` is JSON. */
export type RecordChange =
  | { readonly op: 'put'; readonly kind: string; readonly id: string; readonly value: unknown }
  | { readonly op: 'delete'; readonly kind: string; readonly id: string };

/** Records and events that become durable together, or not at all. */
export interface StateChange {
  readonly records?: readonly RecordChange[];
  readonly events?: readonly EventInput[];
  /** Nobody waits for it: it may go to disk together with the next change, 50 ms later at the latest. */
  readonly mayWait?: boolean;
}

/** A record that could not be read and was set aside. Until it is settled, nothing that it may have named is deleted. */
export interface AsideRecord {
  readonly kind: string;
  readonly id: string;
  readonly reason: string;
  /** Its damaged text, for what can still be read in it. */
  readonly text: string;
}

/** The kind that stands for all records when the state database itself was damaged or lost. */
export const databaseKind = 'database';

/** What was set aside, as the services see it. */
export interface AsideRecords {
  /** All that nobody has settled, oldest first. */
  list(): readonly AsideRecord[];
  /** Those that may have named blobs and layers: while there are any, none is deleted. */
  ofContent(): readonly AsideRecord[];
  /** Those that may have been containers: while there are any, writable layers and processes without one stay. */
  ofContainers(): readonly AsideRecord[];
  /** Its service cannot understand the record, which is there: it is set aside. */
  add(record: Omit<AsideRecord, 'text'>, value: unknown): Promise<void>;
  /** What could be restored was restored. */
  settle(records: readonly AsideRecord[]): Promise<void>;
}

/**
 * The durable state as every service sees it: services keep their objects in memory, load them once at boot, and
 * commit each change before they answer.
 */
export interface StateJournal {
  readonly aside: AsideRecords;
  /** All readable records of one kind; damaged ones were set aside and logged. */
  load(kind: string): Promise<{ id: string; value: unknown }[]>;
  /** Resolves when the change is on disk and its events were handed to the subscribers. Order of calls is kept. */
  commit(change: StateChange): Promise<readonly JournalEvent[]>;
}
