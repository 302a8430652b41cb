import { createHash } from 'node:crypto';
import { BuildRecord } from './record.ts';
import { EngineError, messageOf } from '../../base/errors.ts';
import type { Draft, Message } from '../wire/message.ts';
import type { gatewayResult, solveRequest, statusResponse } from '../wire/control.ts';

export type StatusEvent = Draft<typeof statusResponse>;
type Timestamp = { readonly seconds: number; readonly nanos: number };

/** The time of now, as messages have it. */
export function timestampNow(): Timestamp {
  const ms = Date.now();
  return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 };
}

/** What a step tells while it runs. */
export interface StepOutput {
  /** Output of a command; `bytes` must not change any more. */
  log(stream: 1 | 2, bytes: Uint8Array): void;
  /** Begins a line of progress below the step, which ends with `done`. */
  line(id: string): ProgressLine;
  warn(warning: NonNullable<StatusEvent['warnings']>[number]): void;
}

export interface ProgressLine {
  /** Bytes, or whatever the line counts; 0 for an unknown total. */
  progress(current: number, total?: number): void;
  done(): void;
}

/** A step as clients show it. */
export interface StepName {
  readonly name: string;
  /** Which one of several with that name. */
  readonly serial?: number;
  /** Names of steps that it stands on; only for show. */
  readonly inputs?: readonly string[];
  /** Its work was not needed: what it makes was there. */
  readonly cached?: boolean;
}

const progressEveryMs = 150;
/** Events that a client which comes late can still see; older ones are dropped. */
const mostEvents = 100_000;

/**
 * One build, from the client's Solve on: what happens in it, in order, so that a Status that comes later sees all of it, and
 * how it ends.
 */
export class BuildJob {
  readonly ref: string;
  readonly request: Message<typeof solveRequest>;
  readonly createdAt = timestampNow();
  /** Since when it is over. */
  completedAt: Timestamp | undefined;
  response: ReadonlyMap<string, string> = new Map();
  error: { readonly code: number; readonly message: string } | undefined;
  readonly record = new BuildRecord();
  readonly counts = { total: 0, completed: 0, cached: 0 };
  readonly #events: StatusEvent[] = [];
  readonly #watchers = new Set<() => void>();
  readonly #abort = new AbortController();
  readonly #returned = Promise.withResolvers<Message<typeof gatewayResult> | undefined>();

  constructor(request: Message<typeof solveRequest>) {
    this.ref = request.ref;
    this.request = request;
    this.#returned.promise.catch(() => undefined);
  }

  /** Aborts when the client gives the build up, or it is cancelled. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  cancel(): void {
    this.#abort.abort(new EngineError('cancelled', 'context canceled'));
    this.#returned.reject(new EngineError('cancelled', 'context canceled'));
  }

  /** The client, which is the frontend, has its result, or has failed. */
  returned(result: Message<typeof gatewayResult> | undefined): void {
    this.#returned.resolve(result);
  }

  failed(error: Error): void {
    this.#returned.reject(error);
  }

  /** What the client returned. @throws what it failed with; cancelled */
  result(): Promise<Message<typeof gatewayResult> | undefined> {
    return this.#returned.promise;
  }

  /** No more events will come. */
  close(): void {
    this.completedAt = timestampNow();
    this.#wake();
  }

  /** All events from the first on, until the build is over or the signal aborts. */
  async *events(signal: AbortSignal): AsyncGenerator<StatusEvent> {
    for (let at = 0; !signal.aborted; ) {
      const event = this.#events[at];
      if (event !== undefined) {
        at++;
        yield event;
      } else if (this.completedAt !== undefined) return;
      else await this.#next(signal);
    }
  }

  #next(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => {
      this.#watchers.delete(wake);
      signal.removeEventListener('abort', wake);
      resolve();
    };
    this.#watchers.add(wake);
    signal.addEventListener('abort', wake, { once: true });
    return promise;
  }

  emit(event: StatusEvent): void {
    this.record.warnings += event.warnings?.length ?? 0;
    if (this.#events.length >= mostEvents) return;
    this.#events.push(event);
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#watchers) wake();
  }

  /** Runs one step and tells of its begin, its end, and its failure. */
  async step<T>(step: StepName, run: (output: StepOutput) => Promise<T>): Promise<T> {
    const { name, serial = 0, inputs = [], cached = false } = step;
    const digest = stepDigest(this.ref, serial === 0 ? name : `${name}\0${serial}`);
    const vertex = { digest, inputs: inputs.map((input) => stepDigest(this.ref, input)), name, cached };
    const started = timestampNow();
    this.counts.total++;
    this.emit({ vertexes: [{ ...vertex, started }] });
    try {
      const made = await run(this.#output(digest));
      this.counts.completed++;
      if (cached) this.counts.cached++;
      this.emit({ vertexes: [{ ...vertex, started, completed: timestampNow() }] });
      return made;
    } catch (error) {
      this.emit({ vertexes: [{ ...vertex, started, completed: timestampNow(), error: messageOf(error) }] });
      throw error;
    }
  }

  #output(vertex: string): StepOutput {
    return {
      log: (stream, msg) => this.emit({ logs: [{ vertex, timestamp: timestampNow(), stream, msg }] }),
      line: (id) => this.#line(vertex, id),
      warn: (warning) => this.emit({ warnings: [{ ...warning, vertex }] }),
    };
  }

  #line(vertex: string, id: string): ProgressLine {
    const started = timestampNow();
    const status = { id, vertex, started };
    let counted = { current: 0, total: 0 };
    let told = 0;
    this.emit({ statuses: [{ ...status, timestamp: started }] });
    return {
      progress: (current, total = 0) => {
        counted = { current, total };
        const now = Date.now();
        if (now - told < progressEveryMs) return;
        told = now;
        this.emit({ statuses: [{ ...status, ...counted, timestamp: timestampNow() }] });
      },
      done: () => {
        const completed = timestampNow();
        this.emit({ statuses: [{ ...status, ...counted, timestamp: completed, completed }] });
      },
    };
  }
}

/** What a step of the build `ref` is called among the events. */
export function stepDigest(ref: string, name: string): string {
  return `sha256:${createHash('sha256').update(`${ref}\0${name}`).digest('hex')}`;
}
