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

/**
 * The durable state as every service sees it: services keep their objects in memory, load them once at boot, and
 * commit each change before they answer.
 */
export interface StateJournal {
  /** All readable records of one kind; damaged ones were set aside and logged. */
  load(kind: string): Promise<{ id: string; value: unknown }[]>;
  /** Resolves when the change is on disk and its events were handed to the subscribers. Order of calls is kept. */
  commit(change: StateChange): Promise<readonly JournalEvent[]>;
}
