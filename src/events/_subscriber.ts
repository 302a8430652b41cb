import type { Clock } from '../base/clock.ts';
import type { JournalEvent } from '../spec/engine/event.ts';
import type { StateDb } from '../store/db/open.ts';
import { matchesEvent } from './filter.ts';
import type { SubscribeOptions } from './journal.ts';

/** Events that wait in memory for one subscriber; with more it reads them again from disk. */
const queueLimit = 256;
const pageSize = 256;
/** Node's timers take at most a signed 32-bit number of milliseconds. */
const longestTimerMs = 2 ** 31 - 1;

/** One client's place in the journal. */
export class Subscriber implements AsyncIterable<JournalEvent> {
  readonly #db: Pick<StateDb, 'readEvents' | 'eventBounds'>;
  readonly #clock: Clock;
  readonly #options: SubscribeOptions;
  readonly #onClose: () => void;
  /** The number of the last event that was delivered or passed over; undefined before there was one. */
  #afterSeq: number | undefined;
  /** Live events behind `#afterSeq`; meaningless while `#behind`. */
  #queue: JournalEvent[] = [];
  /** There may be events on disk that are neither delivered nor in the queue. */
  #behind: boolean;
  /** Whether the beginning was compared with what the journal holds. */
  #begun = false;
  /** A page was read: from here on numbers follow each other, also where a time chose the first of them. */
  #counting = false;
  #closed = false;
  #wake: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    db: Pick<StateDb, 'readEvents' | 'eventBounds'>,
    clock: Clock,
    options: SubscribeOptions,
    onClose: () => void,
  ) {
    this.#db = db;
    this.#clock = clock;
    this.#options = options;
    this.#onClose = onClose;
    this.#behind = options.sinceNs !== undefined || options.sinceSeq !== undefined || options.untilNs !== undefined;
    if (options.sinceSeq !== undefined) this.#afterSeq = Math.max(0, options.sinceSeq - 1);
  }

  /** Begins to watch the signal and the end time. */
  open(): void {
    const { signal } = this.#options;
    if (signal.aborted) return this.close();
    signal.addEventListener('abort', this.#abort, { once: true });
    this.#armTimer();
  }

  /** Takes new events, in order. */
  offer(events: readonly JournalEvent[]): void {
    if (this.#closed) return;
    for (const event of events) {
      // Already overtaken by a read from disk, or to be found there.
      if (event.seq <= (this.#afterSeq ?? 0)) continue;
      if (this.#queue.length >= queueLimit) {
        // Seen from disk later: only the place where the queue began has to be kept.
        this.#afterSeq ??= (this.#queue[0]?.seq ?? event.seq) - 1;
        this.#queue = [];
        this.#behind = true;
      }
      this.#queue.push(event);
    }
    this.#wake?.();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#options.signal.removeEventListener('abort', this.#abort);
    this.#onClose();
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<JournalEvent, void, void> {
    try {
      while (!this.#options.signal.aborted) {
        if (this.#behind) yield* this.#readFromDisk();
        else if (this.#queue.length > 0) yield* this.#drainQueue();
        else if (this.#closed) return;
        else await this.#nextEvent();
      }
    } finally {
      this.close();
    }
  }

  /** Delivers pages until one comes back short: everything after it that was committed is in the queue. */
  async *#readFromDisk(): AsyncGenerator<JournalEvent, void, void> {
    const { sinceNs, untilNs, filters, signal } = this.#options;
    if (!this.#begun) {
      this.#begun = true;
      const gap = await this.#gapBefore();
      if (gap !== undefined) yield gap;
    }
    for (;;) {
      this.#behind = false;
      const page = await this.#db.readEvents({
        limit: pageSize,
        ...(this.#afterSeq === undefined ? {} : { afterSeq: this.#afterSeq }),
        ...(sinceNs === undefined ? {} : { sinceNs }),
        ...(untilNs === undefined ? {} : { untilNs }),
      });
      const [first] = page;
      const last = page.at(-1);
      if (first !== undefined && last !== undefined) {
        const missed = first.seq - 1 - (this.#afterSeq ?? first.seq - 1);
        if (missed > 0 && (this.#counting || this.#options.sinceNs === undefined))
          yield gapEvent(first, String(missed));
        this.#counting = true;
        this.#afterSeq = last.seq;
        this.#queue = this.#queue.filter((event) => event.seq > last.seq);
      }
      for (const event of page) {
        if (signal.aborted) return;
        if (matchesEvent(filters, event)) yield event;
      }
      if (page.length < pageSize && !this.#behind) break;
    }
    if (untilNs !== undefined && this.#clock.nowNs() >= untilNs) this.close();
  }

  /** What says that the journal does not reach back to where this client wants to begin. */
  async #gapBefore(): Promise<JournalEvent | undefined> {
    const { sinceSeq, sinceNs } = this.#options;
    if (sinceSeq === undefined && sinceNs === undefined) return undefined;
    const { first, lastSeq } = await this.#db.eventBounds();
    if (sinceSeq !== undefined && sinceSeq > lastSeq + 1) {
      // Numbers of another journal, which was damaged and replaced: all of this one is new to the client.
      this.#afterSeq = 0;
      return gapEvent(first ?? { seq: lastSeq, timeNs: this.#clock.nowNs() }, 'unknown');
    }
    if (first === undefined || first.seq === 1) return undefined;
    if (sinceSeq !== undefined) {
      const missed = first.seq - Math.max(1, sinceSeq);
      this.#afterSeq = Math.max(this.#afterSeq ?? 0, first.seq - 1);
      return missed > 0 ? gapEvent(first, String(missed)) : undefined;
    }
    return sinceNs !== undefined && sinceNs < first.timeNs ? gapEvent(first, 'unknown') : undefined;
  }

  *#drainQueue(): Generator<JournalEvent, void, void> {
    const { sinceNs, untilNs, filters, signal } = this.#options;
    while (!this.#behind && !signal.aborted) {
      const event = this.#queue.shift();
      if (event === undefined) return;
      this.#afterSeq = event.seq;
      if (untilNs !== undefined && event.timeNs > untilNs) {
        this.#queue = [];
        return this.close();
      }
      if (sinceNs !== undefined && event.timeNs < sinceNs) continue;
      if (matchesEvent(filters, event)) yield event;
    }
  }

  #nextEvent(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }

  readonly #abort = (): void => this.close();

  #armTimer(): void {
    const { untilNs } = this.#options;
    if (untilNs === undefined) return;
    const ms = Number((untilNs - this.#clock.nowNs()) / 1_000_000n) + 1;
    // A time in the past needs no timer: reading from disk ends there.
    if (ms <= 0) return;
    this.#timer = setTimeout(
      () => (ms > longestTimerMs ? this.#armTimer() : this.close()),
      Math.min(ms, longestTimerMs),
    );
  }
}

/** The addition `gap` of this engine: events before this place are not in the journal any more. No filter hides it. */
function gapEvent({ seq, timeNs }: { seq: number; timeNs: bigint }, missed: string): JournalEvent {
  return { type: 'daemon', action: 'gap', actorId: '', attributes: { missed }, seq, timeNs };
}
