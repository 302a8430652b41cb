import { Worker } from 'node:worker_threads';
import { type Clock, systemClock } from '../../base/clock.ts';
import { EngineError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { AsideRecord, StateChange } from '../../spec/contract/state.ts';
import type { JournalEvent } from '../../spec/engine/event.ts';
import { workerUrl } from '../../sys/worker/url.ts';
import type {
  DbAnswer,
  DbCheck,
  DbRequest,
  DbWorkerData,
  EncodedChange,
  EventBounds,
  EventQuery,
} from './_protocol.ts';

export type { DbCheck, EventBounds, EventQuery } from './_protocol.ts';

/**
 * The durable state: JSON records by kind and id, and the event journal, in one SQLite file. Everything that a call of
 * `commit` asks for becomes durable together. Calls take effect in their order; all calls that arrive while a
 * transaction is being synced go into the next one together (group commit), so many writers share one fsync.
 */
export interface StateDb {
  /** All readable records of one kind, ordered by id; damaged ones were moved to quarantine and logged. */
  load(kind: string): Promise<{ id: string; value: unknown }[]>;
  /** Resolves when the change is on disk, with its numbered events. @throws no-space, unavailable, internal. */
  commit(change: StateChange): Promise<readonly JournalEvent[]>;
  /** Events in order of `seq`, at most `query.limit`. */
  readEvents(query: EventQuery): Promise<readonly JournalEvent[]>;
  /** What the journal holds: older events were deleted. */
  eventBounds(): Promise<EventBounds>;
  /** The kinds that there are records of. */
  kinds(): Promise<readonly string[]>;
  /** What was set aside and is not settled, oldest first. */
  aside(): Promise<readonly AsideRecord[]>;
  /** Moves a record that its service cannot understand out of the way; gives what is set aside now. */
  setAside(record: AsideRecord): Promise<readonly AsideRecord[]>;
  /** Notes that these are dealt with; gives what is left. */
  settle(records: readonly AsideRecord[]): Promise<readonly AsideRecord[]>;
  /** Reads everything. `repair` mends what one flipped bit did to records, and indexes. */
  check(repair: boolean): Promise<DbCheck>;
  /** Waits for everything called before, then closes the file. Later calls fail with `unavailable`. */
  close(): Promise<void>;
}

export interface StateDbOptions {
  /** How many of the newest events are kept at least; 100,000 by default. */
  readonly eventRetention?: number;
  readonly clock?: Clock;
  /** Directories that are empty, or not there, where there never was a state database: else it was lost. */
  readonly contentDirectories?: readonly string[];
}

/** Heap limits in MiB: the worker's work is small, and an idle engine must be too. */
const workerLimits = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 512 };

/**
 * Opens the state database at `path`, making it when it is absent; its directory must exist. A damaged file is set
 * aside as `<path>.damaged-<time>` and a new one started with the records that could still be read.
 * @throws EngineError `internal` or `no-space` when it cannot be opened, among others when it is a newer engine's.
 */
export async function openStateDb(path: string, log: Logger, options: StateDbOptions = {}): Promise<StateDb> {
  const { eventRetention = 100_000, contentDirectories = [] } = options;
  const data: DbWorkerData = { path, eventRetention, contentDirectories };
  const worker = new Worker(workerUrl(import.meta.url, 'db.worker'), {
    workerData: data,
    resourceLimits: workerLimits,
  });
  const queue = new RequestQueue(worker, log);
  await queue.opened;
  return createStateDb(queue, options.clock ?? systemClock);
}

function createStateDb(queue: RequestQueue, clock: Clock): StateDb {
  let closing: Promise<void> | undefined;
  return {
    async load(kind) {
      const answer = await queue.request({ op: 'load', kind });
      if (answer.result !== 'records') throw unexpected(answer);
      return answer.records.map(({ id, json }) => ({ id, value: JSON.parse(json) as unknown }));
    },
    // Encoded before the first await: the caller may go on changing its objects.
    commit: (change) => queue.commit(encode(change, clock), change.mayWait !== true),
    async readEvents(query) {
      const answer = await queue.request({ op: 'events', query });
      if (answer.result !== 'events') throw unexpected(answer);
      return answer.events;
    },
    async eventBounds() {
      const answer = await queue.request({ op: 'bounds' });
      if (answer.result !== 'bounds') throw unexpected(answer);
      return answer.bounds;
    },
    async kinds() {
      const answer = await queue.request({ op: 'kinds' });
      if (answer.result !== 'kinds') throw unexpected(answer);
      return answer.kinds;
    },
    aside: () => asideOf(queue, { op: 'aside' }),
    setAside: (record) => asideOf(queue, { op: 'set-aside', record }),
    settle: (records) => asideOf(queue, { op: 'settle', records }),
    async check(repair) {
      const answer = await queue.request({ op: 'check', repair });
      if (answer.result !== 'checked') throw unexpected(answer);
      return answer.report;
    },
    close() {
      closing ??= queue.close();
      return closing;
    },
  };
}

async function asideOf(queue: RequestQueue, request: DbRequest): Promise<readonly AsideRecord[]> {
  const answer = await queue.request(request);
  if (answer.result !== 'aside') throw unexpected(answer);
  return answer.records;
}

function encode(change: StateChange, clock: Clock): EncodedChange {
  return {
    records: (change.records ?? []).map((record) =>
      record.op === 'put'
        ? { kind: record.kind, id: record.id, json: JSON.stringify(record.value ?? null) }
        : { kind: record.kind, id: record.id },
    ),
    events: (change.events ?? []).map(({ type, action, actorId, attributes }) => ({
      type,
      action,
      actorId,
      attributes: { ...attributes },
      timeNs: clock.nowNs(),
    })),
  };
}

type Waiting =
  | {
      kind: 'commit';
      change: EncodedChange;
      /** Somebody waits for it. */
      urgent: boolean;
      resolve(events: readonly JournalEvent[]): void;
      reject(error: Error): void;
    }
  | { kind: 'other'; request: DbRequest; resolve(answer: DbAnswer): void; reject(error: Error): void };

/** So long a change that nobody waits for may look for company: every transaction costs an fsync. */
const companyMs = 50;

/** Sends requests to the worker, one at a time; commits that waited together are sent together. */
class RequestQueue {
  readonly opened: Promise<void>;
  readonly #worker: Worker;
  readonly #log: Logger;
  #waiting: Waiting[] = [];
  #inFlight: Waiting[] = [];
  #ready = false;
  /** Runs while only changes wait that may. */
  #patience: NodeJS.Timeout | undefined;
  #dead: EngineError | undefined;

  constructor(worker: Worker, log: Logger) {
    this.#worker = worker;
    this.#log = log;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.opened = promise;
    worker.on('message', (answer: DbAnswer) => {
      this.#report(answer);
      if (this.#ready) return this.#answered(answer);
      if (answer.result !== 'opened') return reject(asError(answer));
      this.#ready = true;
      resolve();
      this.#pump();
    });
    worker.on('error', (error) => this.#fail(error instanceof Error ? error : new Error(messageOf(error)), reject));
    worker.on('exit', () => this.#fail(new Error('the state database is closed'), reject));
  }

  commit(change: EncodedChange, urgent: boolean): Promise<readonly JournalEvent[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly JournalEvent[]>();
    this.#enqueue({ kind: 'commit', change, urgent, resolve, reject });
    return promise;
  }

  request(request: DbRequest): Promise<DbAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<DbAnswer>();
    this.#enqueue({ kind: 'other', request, resolve, reject });
    return promise;
  }

  async close(): Promise<void> {
    const closed = this.request({ op: 'close' });
    this.#dead ??= new EngineError('unavailable', 'the state database is closed');
    await closed;
    await this.#worker.terminate();
  }

  #enqueue(waiting: Waiting): void {
    if (this.#dead !== undefined) return waiting.reject(this.#dead);
    this.#waiting.push(waiting);
    this.#pump();
  }

  /** `late`: what may wait has waited. */
  #pump(late = false): void {
    const first = this.#waiting[0];
    if (!this.#ready || this.#inFlight.length > 0 || first === undefined) return;
    if (!late && this.#waiting.every((waiting) => waiting.kind === 'commit' && !waiting.urgent)) {
      this.#patience ??= setTimeout(() => this.#pump(true), companyMs);
      return;
    }
    clearTimeout(this.#patience);
    this.#patience = undefined;
    if (first.kind === 'other') {
      this.#inFlight = this.#waiting.splice(0, 1);
      this.#worker.postMessage(first.request);
      return;
    }
    let count = this.#waiting.findIndex((waiting) => waiting.kind !== 'commit');
    if (count < 0) count = this.#waiting.length;
    this.#inFlight = this.#waiting.splice(0, count);
    const changes = this.#inFlight.flatMap((waiting) => (waiting.kind === 'commit' ? [waiting.change] : []));
    this.#worker.postMessage({ op: 'commit', changes } satisfies DbRequest);
  }

  #answered(answer: DbAnswer): void {
    const answered = this.#inFlight;
    this.#inFlight = [];
    this.#pump();
    for (const [index, waiting] of answered.entries()) {
      if (answer.result === 'failed') waiting.reject(asError(answer));
      else if (waiting.kind === 'other') waiting.resolve(answer);
      else if (answer.result === 'committed') waiting.resolve(answer.events[index] ?? []);
      else waiting.reject(unexpected(answer));
    }
  }

  #report(answer: DbAnswer): void {
    for (const { level, message, fields } of answer.notices) this.#log[level](message, fields);
  }

  #fail(cause: Error, rejectOpen: (error: Error) => void): void {
    if (this.#dead === undefined) this.#log.error('the state database worker ended', { error: cause });
    this.#dead ??= new EngineError('unavailable', `the state database is gone: ${messageOf(cause)}`, { cause });
    rejectOpen(this.#dead);
    for (const waiting of [...this.#inFlight, ...this.#waiting]) waiting.reject(this.#dead);
    this.#inFlight = [];
    this.#waiting = [];
  }
}

function asError(answer: DbAnswer): EngineError {
  if (answer.result !== 'failed') return unexpected(answer);
  return new EngineError(answer.code, `state database: ${answer.message}`);
}

const unexpected = (answer: DbAnswer): EngineError =>
  new EngineError('internal', `the state database answered ${answer.result} out of turn`);
