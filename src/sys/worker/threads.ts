import { Worker, type WorkerOptions } from 'node:worker_threads';
import { releaseFreeMemory } from '../process/memory.ts';

/** A thread that nobody takes ends after this time. */
const idleMs = 2000;

/** Worker threads that are started on demand, used again, and end when there is nothing to do. */
export class Threads {
  readonly #url: URL;
  readonly #options: WorkerOptions;
  readonly #all = new Set<Worker>();
  readonly #idle = new Map<Worker, NodeJS.Timeout>();

  constructor(url: URL, options: WorkerOptions) {
    this.#url = url;
    this.#options = options;
  }

  /** An idle thread, or a new one. The caller gives it back, unless it broke. */
  take(): Worker {
    for (const [worker, timer] of this.#idle) {
      clearTimeout(timer);
      this.#idle.delete(worker);
      worker.ref();
      return worker;
    }
    const worker = new Worker(this.#url, this.#options);
    this.#all.add(worker);
    worker.on('error', () => this.#idle.delete(worker));
    worker.on('exit', () => this.#all.delete(worker));
    return worker;
  }

  /** Starts a thread now, unless one waits: for work that is about to come. */
  prepare(): void {
    if (this.#idle.size === 0) this.giveBack(this.take());
  }

  giveBack(worker: Worker): void {
    worker.unref();
    const timer = setTimeout(() => {
      this.#idle.delete(worker);
      void worker.terminate().then(releaseFreeMemory);
    }, idleMs);
    timer.unref();
    this.#idle.set(worker, timer);
  }

  /** Ends all threads, those that are taken too. */
  async close(): Promise<void> {
    for (const timer of this.#idle.values()) clearTimeout(timer);
    this.#idle.clear();
    await Promise.all(Array.from(this.#all, (worker) => worker.terminate()));
  }
}
