import { delay } from '../../base/async.ts';
import { EngineError } from '../../base/errors.ts';
import { dropOldest } from '../../base/oldest.ts';
import type { solveRequest } from '../wire/control.ts';
import type { Message } from '../wire/message.ts';
import { type HistoryRecord, recordOf } from './history-record.ts';
import type { BuildHistory } from './history-store.ts';
import { BuildJob, type StatusEvent } from './job.ts';

/** How long a call about a build waits for it: a client begins all of them at once. */
const patienceMs = 10_000;
/** Of builds that are over and that nobody is to see. */
const mostInternal = 20;

/** What happened to a build (BuildKit's BuildHistoryEventType). */
export const historyEvents = { started: 0, complete: 1, deleted: 2 } as const;

export interface HistoryEvent {
  readonly type: (typeof historyEvents)[keyof typeof historyEvents];
  readonly record: HistoryRecord;
}

/** The builds under way, and the history of those that are over. */
export class BuildJobs {
  readonly history: BuildHistory;
  readonly #active = new Map<string, BuildJob>();
  /** By these clients only ask what the engine can; their Status may still come. */
  readonly #internal = new Map<string, BuildJob>();
  readonly #begun = new Set<(job: BuildJob) => void>();
  readonly #watchers = new Set<(event: HistoryEvent) => void>();

  constructor(history: BuildHistory) {
    this.history = history;
  }

  /** @throws EngineError `conflict` when there is one of that name. */
  begin(request: Message<typeof solveRequest>): BuildJob {
    const { ref } = request;
    if (ref === '' || ref.length > 512)
      throw new EngineError('invalid', 'a build needs a ref of at most 512 characters');
    if (this.#active.has(ref)) throw new EngineError('conflict', `job ID ${ref} exists`);
    const job = new BuildJob(request);
    this.#active.set(ref, job);
    for (const begun of this.#begun) begun(job);
    if (!request.internal) this.#tell({ type: historyEvents.started, record: recordOf(job) });
    return job;
  }

  end(job: BuildJob): void {
    job.close();
    this.#active.delete(job.ref);
    if (job.request.internal) {
      this.#internal.set(job.ref, job);
      dropOldest(this.#internal, mostInternal);
      return;
    }
    this.history.add(job);
    this.#tell({ type: historyEvents.complete, record: recordOf(job) });
  }

  /** The build of that name under way, or just over, which may be a moment away. @throws not-found, cancelled */
  async find(ref: string, signal: AbortSignal): Promise<BuildJob> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const watcher = (job: BuildJob): void => {
      if (job.ref === ref) resolve();
    };
    const known = (): BuildJob | undefined => this.#active.get(ref) ?? this.#internal.get(ref);
    if (known() === undefined) {
      const enough = new AbortController();
      this.#begun.add(watcher);
      try {
        await Promise.race([promise, delay(patienceMs, AbortSignal.any([signal, enough.signal]))]);
      } finally {
        enough.abort();
        this.#begun.delete(watcher);
      }
    }
    const found = known();
    if (found === undefined) throw new EngineError('not-found', `no such job ${ref}`);
    return found;
  }

  /** What happens in a build, or happened. @throws not-found, cancelled, corrupt */
  async events(ref: string, signal: AbortSignal): Promise<AsyncIterable<StatusEvent>> {
    const past = this.#active.has(ref) ? undefined : await this.history.events(ref, signal);
    return past ?? (await this.find(ref, signal)).events(signal);
  }

  active(): readonly BuildJob[] {
    return [...this.#active.values()];
  }

  /** Takes a build out of the history; false when there is none. */
  async forget(ref: string): Promise<boolean> {
    const record = await this.history.forget(ref);
    if (record !== undefined) this.#tell({ type: historyEvents.deleted, record });
    return record !== undefined;
  }

  /** Keeps a build that is over, or no longer; false when there is none. @throws conflict when too many are kept */
  async pin(ref: string, pinned: boolean): Promise<boolean> {
    const record = await this.history.pin(ref, pinned);
    if (record !== undefined) this.#tell({ type: historyEvents.complete, record });
    return record !== undefined;
  }

  /** Calls `watcher` for every build that begins, ends or is forgotten. */
  watch(watcher: (event: HistoryEvent) => void): Disposable {
    this.#watchers.add(watcher);
    return { [Symbol.dispose]: () => void this.#watchers.delete(watcher) };
  }

  #tell(event: HistoryEvent): void {
    for (const watcher of this.#watchers) watcher(event);
  }
}
