import assert from 'node:assert/strict';
import test from 'node:test';
import type { StateChange } from '../spec/contract/state.ts';
import type { EventInput, JournalEvent } from '../spec/engine/event.ts';
import { type Filters, noFilters } from '../spec/engine/filters.ts';
import type { EventBounds, EventQuery } from '../store/db/open.ts';
import { Journal } from './journal.ts';

/** The database's promises, in memory: numbered events, read in pages. */
class MemoryDb {
  readonly events: JournalEvent[] = [];
  reads = 0;
  /** Runs at the start of every read, to place commits in the middle of one. */
  onRead: () => void | Promise<void> = () => undefined;

  load(): Promise<never[]> {
    return Promise.resolve([]);
  }
  async commit(change: StateChange): Promise<readonly JournalEvent[]> {
    const made = (change.events ?? []).map((event, index) => {
      const seq = (this.events.at(-1)?.seq ?? 0) + index + 1;
      return { ...event, seq, timeNs: BigInt(seq) * 1000n };
    });
    this.events.push(...made);
    await Promise.resolve();
    return made;
  }
  async eventBounds(): Promise<EventBounds> {
    const [first] = this.events;
    return { first, lastSeq: this.events.at(-1)?.seq ?? 0 };
  }
  /** Forgets the oldest events. */
  trim(count: number): void {
    this.events.splice(0, count);
  }
  async readEvents(query: EventQuery): Promise<readonly JournalEvent[]> {
    this.reads++;
    const found = this.events.filter(
      (event) =>
        event.seq > (query.afterSeq ?? 0) &&
        event.timeNs >= (query.sinceNs ?? 0n) &&
        event.timeNs <= (query.untilNs ?? 10n ** 30n),
    );
    await this.onRead();
    return found.slice(0, query.limit);
  }
}

const event = (action: string): EventInput => ({
  type: 'container',
  action,
  actorId: 'c1',
  attributes: { name: 'web' },
});

async function take(events: AsyncIterable<JournalEvent>, count: number, abort: AbortController): Promise<number[]> {
  const seqs: number[] = [];
  for await (const { seq } of events) {
    seqs.push(seq);
    if (seqs.length === count) abort.abort();
  }
  return seqs;
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);

function setUp(options: { sinceSeq?: number; sinceNs?: bigint; untilNs?: bigint; filters?: Filters } = {}) {
  const db = new MemoryDb();
  const journal = new Journal(db);
  const abort = new AbortController();
  const subscribe = () => journal.subscribe({ filters: noFilters, ...options, signal: abort.signal });
  const add = (count: number) =>
    Promise.all(Array.from({ length: count }, () => journal.commit({ events: [event('start')] })));
  return { db, journal, abort, subscribe, add };
}

test('without a start, only what happens after the call of subscribe is delivered', async () => {
  const { db, abort, subscribe, add } = setUp();
  await add(3);
  const events = subscribe();
  await add(2);
  assert.deepEqual(await take(events, 2, abort), [4, 5]);
  assert.equal(db.reads, 0);
});

test('replay goes over to live without gap or duplicate, whatever is committed in the middle of a read', async () => {
  const { db, journal, abort, subscribe, add } = setUp({ sinceSeq: 2 });
  await add(600);
  db.onRead = async () => {
    if (db.events.length < 1100) await add(300);
  };
  const events = subscribe();
  const taken = take(events, 1200, abort);
  await add(1);
  assert.deepEqual(await taken, range(2, 1201));
  assert.equal(journal.listeners, 0);
});

test('a subscriber that does not read is kept by its place, not by its events', async () => {
  const { db, abort, subscribe, add } = setUp();
  await add(1);
  const events = subscribe();
  await add(5000);
  assert.equal(db.reads, 0);
  assert.deepEqual(await take(events, 5000, abort), range(2, 5001));
  assert.ok(db.reads > 0);
});

test('an end time in the past replays until there and ends', async () => {
  const { abort, subscribe, add } = setUp({ untilNs: 5000n });
  await add(10);
  assert.deepEqual(await take(subscribe(), 100, abort), range(1, 5));
});

test('an end time in the future ends a silent subscription', async () => {
  const { abort, subscribe } = setUp({ untilNs: BigInt(Date.now() + 20) * 1_000_000n });
  assert.deepEqual(await take(subscribe(), 100, abort), []);
});

test('abort, close of the journal and a broken-off loop all end and unregister the subscription', async () => {
  const { journal, abort, subscribe, add } = setUp();
  const closed = take(subscribe(), 10, abort);
  await add(1);
  journal.close();
  assert.deepEqual(await closed, [1]);

  const events = subscribe();
  await add(1);
  for await (const { seq } of events) {
    assert.equal(seq, 2);
    break;
  }
  assert.equal(journal.listeners, 0);

  const never = subscribe();
  assert.equal(journal.listeners, 1);
  abort.abort();
  assert.equal(journal.listeners, 0);
  assert.deepEqual(await Array.fromAsync(never), []);
});

test('filters choose what is delivered, from disk and live', async () => {
  const { journal, abort, subscribe } = setUp({ sinceSeq: 1, filters: new Map([['event', ['die']]]) });
  await journal.commit({ events: [event('start'), event('die')] });
  const events = subscribe();
  await journal.commit({ events: [event('start'), event('die')] });
  assert.deepEqual(await take(events, 2, abort), [2, 4]);
});

async function takeText(events: AsyncIterable<JournalEvent>, count: number, abort: AbortController): Promise<string[]> {
  const texts: string[] = [];
  for await (const { action, seq, attributes } of events) {
    texts.push(action === 'gap' ? `gap ${attributes['missed']} before ${seq}` : String(seq));
    if (texts.length === count) abort.abort();
  }
  return texts;
}

test('what the journal has no more shows as a gap, whatever the filters say', async () => {
  const bySeq = setUp({ sinceSeq: 3, filters: new Map([['type', ['container']]]) });
  await bySeq.add(10);
  bySeq.db.trim(5);
  assert.deepEqual(await takeText(bySeq.subscribe(), 3, bySeq.abort), ['gap 3 before 6', '6', '7']);

  const byTime = setUp({ sinceNs: 2000n });
  await byTime.add(10);
  byTime.db.trim(5);
  assert.deepEqual(await takeText(byTime.subscribe(), 2, byTime.abort), ['gap unknown before 6', '6']);

  const within = setUp({ sinceNs: 7000n });
  await within.add(10);
  within.db.trim(5);
  assert.deepEqual(await takeText(within.subscribe(), 2, within.abort), ['7', '8']);

  const foreign = setUp({ sinceSeq: 5000 });
  await foreign.add(2);
  assert.deepEqual(await takeText(foreign.subscribe(), 3, foreign.abort), ['gap unknown before 1', '1', '2']);

  const next = setUp({ sinceSeq: 3 });
  await next.add(2);
  const events = next.subscribe();
  const taken = takeText(events, 1, next.abort);
  await next.add(1);
  assert.deepEqual(await taken, ['3']);
});

test('a client so slow that the journal overtakes it is told', async () => {
  const { db, abort, subscribe, add } = setUp();
  await add(1);
  const iterator = subscribe()[Symbol.asyncIterator]();
  const first = iterator.next();
  await add(1);
  assert.equal(((await first).value as JournalEvent).seq, 2);
  await add(2000);
  db.trim(1500);
  const rest = await takeText({ [Symbol.asyncIterator]: () => iterator }, 503, abort);
  assert.deepEqual(rest.slice(0, 2), ['gap 1498 before 1501', '1501']);
  assert.equal(rest.at(-1), '2002');
});
