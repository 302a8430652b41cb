import { Worker } from 'node:worker_threads';
import { cancelledBy, Semaphore } from '../../base/async.ts';
import { EngineError, type ErrorCode } from '../../base/errors.ts';
import { workerUrl } from '../../sys/worker/url.ts';

/** What the worker is asked to do, one after the other. */
export type CopyStep = 'flush' | 'copy' | 'settle' | 'sync' | 'close';

export interface TreeCopyTask {
  readonly from: string;
  readonly to: string;
  /** Not 0: give up. */
  readonly cancelled: Int32Array<SharedArrayBuffer>;
}

export type CopyStepOutcome =
  | { readonly failed: false }
  | { readonly failed: true; readonly code: ErrorCode; readonly message: string };

/** Trees that are copied at once. */
const turns = new Semaphore(2);
/** In MiB; what was copied is remembered, some 200 bytes a file. */
const resourceLimits = { maxOldGenerationSizeMb: 2048, maxYoungGenerationSizeMb: 16 };

/** Who may be writing to a tree that is being copied. */
export interface Writers {
  /** Whether there is anybody now, or was at any time since the copy began. */
  active(): boolean;
  /** Stops them while `task` runs, and lets them go on whatever happens. */
  halt(task: () => Promise<void>): Promise<void>;
}

/**
 * Copies what is in the directory `from` into the empty directory `to`, and the directory's own attributes; on disk when it
 * resolves. `writers` may be writing to `from`: they are halted only while what changed during the copy is copied again. @throws EngineError, `no-space`, `cancelled` among others; what was copied so far is the caller's to delete.
 */
export function copyTree(
  from: string,
  to: string,
  { writers, signal }: { readonly writers?: Writers | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  return turns.run(async () => {
    const worker = new CopyWorker({ from, to, cancelled: new Int32Array(new SharedArrayBuffer(4)) }, signal);
    try {
      if (writers?.active() === true) await worker.run('flush');
      await worker.run('copy');
      if (writers?.active() === true) await writers.halt(() => worker.run('settle'));
      await worker.run('sync');
    } finally {
      await worker.end();
    }
  }, signal);
}

class CopyWorker {
  readonly #worker: Worker;
  readonly #task: TreeCopyTask;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => void Atomics.store(this.#task.cancelled, 0, 1);

  constructor(task: TreeCopyTask, signal: AbortSignal | undefined) {
    this.#task = task;
    this.#signal = signal;
    const url = workerUrl(import.meta.url, 'volume-tree.worker');
    this.#worker = new Worker(url, { workerData: task, resourceLimits, trackUnmanagedFds: false });
    signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  async run(step: CopyStep): Promise<void> {
    if (this.#signal?.aborted === true) throw cancelledBy(this.#signal);
    const { promise, resolve, reject } = Promise.withResolvers<CopyStepOutcome>();
    const onExit = (): void => reject(new EngineError('internal', 'the worker that copies a volume ended'));
    this.#worker.once('message', resolve).once('error', reject).once('exit', onExit);
    try {
      this.#worker.postMessage(step);
      const outcome = await promise;
      if (outcome.failed) throw new EngineError(outcome.code, outcome.message);
    } finally {
      this.#worker.off('message', resolve).off('error', reject).off('exit', onExit);
    }
  }

  async end(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    Atomics.store(this.#task.cancelled, 0, 1);
    await new Promise<void>((resolve) => {
      this.#worker.once('message', resolve).once('error', resolve).once('exit', resolve);
      this.#worker.postMessage('close' satisfies CopyStep);
    });
    await this.#worker.terminate();
  }
}
