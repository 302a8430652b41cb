import { type Clock, systemClock } from '../base/clock.ts';
import type { StateChange, StateJournal } from '../spec/contract/state.ts';
import type { JournalEvent } from '../spec/engine/event.ts';
import type { Filters } from '../spec/engine/filters.ts';
import type { StateDb } from '../store/db/open.ts';
import { AsideBook } from './aside.ts';
import { Subscriber } from './_subscriber.ts';

export interface SubscribeOptions {
  /** Events from this wall clock time on, inclusive, from disk. */
  readonly sinceNs?: bigint;
  /** Events from this number on, inclusive, from disk; one that is not yet known means an older journal's: a gap. */
  readonly sinceSeq?: number;
  /** Ends here, also when it lies in the future; alone it means: everything that the journal has until then. */
  readonly untilNs?: bigint;
  readonly filters: Filters;
  readonly signal: AbortSignal;
}

type JournalDb = Pick<StateDb, 'load' | 'commit' | 'readEvents' | 'eventBounds'>;

/**
 * The engine's journal: records and events are committed together, then the events go to the subscribers. A subscriber
 * is a position in the journal: it reads from disk until it has caught up, then listens, and falls back to the disk
 * when it gets too far behind. So nothing is lost or doubled, and a slow client costs no memory. The journal keeps the
 * newest 100,000 events: where a subscriber asks for older ones, or was overtaken, an event says that there is a gap.
 */
export class Journal implements StateJournal {
  readonly aside: AsideBook;
  readonly #db: JournalDb;
  readonly #clock: Clock;
  readonly #subscribers = new Set<Subscriber>();
  /** Told how many events each commit had: a count costs no subscription. */
  onEvents: ((count: number) => void) | undefined;

  constructor(db: JournalDb, clock: Clock = systemClock, aside = new AsideBook()) {
    this.#db = db;
    this.aside = aside;
    this.#clock = clock;
  }

  load(kind: string): Promise<{ id: string; value: unknown }[]> {
    this.aside.loaded(kind);
    return this.#db.load(kind);
  }

  /** Commits resolve in order of their numbers, so that subscribers see every event in its place. */
  async commit(change: StateChange): Promise<readonly JournalEvent[]> {
    const events = await this.#db.commit(change);
    if (events.length > 0) this.onEvents?.(events.length);
    if (events.length > 0) for (const subscriber of this.#subscribers) subscriber.offer(events);
    if (this.aside.list().length > 0)
      await this.aside.superseded((change.records ?? []).filter(({ op }) => op === 'put'));
    return events;
  }

  /**
   * Events as they happen, after what `sinceNs` or `sinceSeq` ask for. The subscription holds from this call on.
   * Iteration ends (without an error) at `untilNs`, when the signal aborts, and when the journal is closed.
   */
  subscribe(options: SubscribeOptions): AsyncIterable<JournalEvent> {
    const subscriber = new Subscriber(this.#db, this.#clock, options, () => this.#subscribers.delete(subscriber));
    this.#subscribers.add(subscriber);
    subscriber.open();
    return subscriber;
  }

  /** How many clients listen: `NEventsListener` of `GET /info`. */
  get listeners(): number {
    return this.#subscribers.size;
  }

  /** Ends all subscriptions; the database stays open. */
  close(): void {
    for (const subscriber of this.#subscribers) subscriber.close();
  }
}
