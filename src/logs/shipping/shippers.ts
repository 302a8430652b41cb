import { hostname } from 'node:os';
import { Worker } from 'node:worker_threads';
import { Latch } from '../../base/async.ts';
import type { Logger } from '../../base/log.ts';
import type { LoggedContainer, LogSettings } from '../../spec/contract/logs.ts';
import { workerUrl } from '../../sys/worker/url.ts';
import type { ShipAnswer, ShipRequest } from './protocol.ts';

/** Room for the blocks and messages of many containers; nothing else is kept there. */
const resourceLimits = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 8 };

/** One container's log on its way to a backend. */
export interface Shipper {
  /** Nobody writes any more: what is there is sent. */
  end(): void;
  /** Ends at once; the cursor keeps the place. */
  stop(): void;
  /** Resolves when everything was sent, or when it was stopped. */
  readonly over: Promise<void>;
}

/** Starts the thread that sends logs with the first log that is to be sent; it ends with the last. */
export class Shippers {
  readonly #log: Logger;
  readonly #running = new Map<number, { readonly over: Latch; readonly log: Logger }>();
  #worker: Worker | undefined;
  #lastKey = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  start(logPath: string, container: LoggedContainer, settings: LogSettings): Shipper {
    const key = ++this.#lastKey;
    const over = new Latch();
    const worker = (this.#worker ??= this.#open());
    this.#running.set(key, { over, log: this.#log.with({ container: container.id }) });
    const ask = (request: ShipRequest) => {
      if (!over.isSet) worker.postMessage(request);
    };
    ask({ op: 'start', key, logPath, container, settings, hostname: hostname(), pid: process.pid });
    return { end: () => ask({ op: 'ended', key }), stop: () => ask({ op: 'stop', key }), over: over.wait() };
  }

  #open(): Worker {
    const worker = new Worker(workerUrl(import.meta.url, 'ship.worker'), { resourceLimits, trackUnmanagedFds: false });
    worker.unref();
    worker.on('message', (answer: ShipAnswer) => this.#take(answer));
    // Out of memory, or a mistake: what was not sent is sent with the next start of its container or of the engine.
    worker.on('error', (error) => {
      this.#log.error('the thread that sends logs ended', { error });
      if (this.#worker === worker) this.#worker = undefined;
      for (const { over } of this.#running.values()) over.set();
      this.#running.clear();
    });
    return worker;
  }

  #take(answer: ShipAnswer): void {
    const entry = this.#running.get(answer.key);
    if (answer.kind === 'say') return entry?.log[answer.level](answer.message, answer.fields);
    this.#running.delete(answer.key);
    entry?.over.set();
    if (this.#running.size > 0) return;
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
  }
}
