import { Worker } from 'node:worker_threads';
import { Semaphore, throwIfAborted } from '../../base/async.ts';
import { EngineError, messageOf } from '../../base/errors.ts';
import { releaseFreeMemory } from '../../sys/process/memory.ts';
import { workerUrl } from '../../sys/worker/url.ts';
import type { GrowingFile } from '../blobs/growing.ts';
import type { IngestGrowth, IngestJob, IngestReport } from './_ingest_protocol.ts';

type Done = Extract<IngestReport, { kind: 'done' }>;

/** What is to be ingested, and where the result goes. */
export interface IngestTask extends Omit<IngestJob, 'kind' | 'source'> {
  readonly source: string | GrowingFile;
}

/** More would only compete for the disk. */
const mostWorkers = 2;
/** A layer of several million files needs some 500 MiB for their names. */
const resourceLimits = { maxOldGenerationSizeMb: 2048, maxYoungGenerationSizeMb: 16 };
const idleMs = 2000;

/** Runs ingest jobs in worker threads, which are started on demand and end when there is nothing to do. */
export class IngestPool {
  readonly #turns = new Semaphore(mostWorkers);
  readonly #idle = new Map<Worker, NodeJS.Timeout>();

  /** @throws the job's error, or cancelled; the target file may be left then. */
  run(
    { source, ...task }: IngestTask,
    options: { signal?: AbortSignal; onProgress?: (bytesRead: number) => void },
  ): Promise<Done> {
    return this.#turns.run(async () => {
      throwIfAborted(options.signal);
      if (typeof source === 'string') {
        return this.#runIn(this.#take(), { ...task, kind: 'ingest', source: { path: source } }, options);
      }
      // Threads share descriptors: the worker reads on, whatever name the file gets meanwhile.
      const file = await source.open();
      const worker = this.#take();
      try {
        const done = this.#runIn(worker, { ...task, kind: 'ingest', source: { fd: file.fd } }, options);
        const stop = source.follow((available, complete) =>
          worker.postMessage({ kind: 'growth', available, complete } satisfies IngestGrowth),
        );
        return await done.finally(stop);
      } finally {
        await file.close();
      }
    });
  }

  async close(): Promise<void> {
    const workers = [...this.#idle];
    this.#idle.clear();
    await Promise.all(
      workers.map(([worker, timer]) => {
        clearTimeout(timer);
        return worker.terminate();
      }),
    );
  }

  #take(): Worker {
    for (const [worker, timer] of this.#idle) {
      clearTimeout(timer);
      this.#idle.delete(worker);
      worker.ref();
      return worker;
    }
    const worker = new Worker(workerUrl(import.meta.url, 'layer-ingest.worker'), { resourceLimits });
    worker.on('error', () => this.#idle.delete(worker));
    return worker;
  }

  #giveBack(worker: Worker): void {
    worker.unref();
    const timer = setTimeout(() => {
      this.#idle.delete(worker);
      void worker.terminate().then(releaseFreeMemory);
    }, idleMs);
    timer.unref();
    this.#idle.set(worker, timer);
  }

  #runIn(
    worker: Worker,
    job: IngestJob,
    { signal, onProgress }: { signal?: AbortSignal; onProgress?: (bytesRead: number) => void },
  ): Promise<Done> {
    const { promise, resolve, reject } = Promise.withResolvers<Done>();
    const end = (): void => {
      worker.off('message', onReport).off('error', onError).off('exit', onExit);
      signal?.removeEventListener('abort', onAbort);
    };
    // A worker that stopped in the middle of a job is not used again.
    const giveUp = (error: EngineError): void => {
      end();
      void worker.terminate().finally(() => reject(error));
    };
    const onAbort = (): void => giveUp(new EngineError('cancelled', `${job.what}: the ingest was cancelled`));
    const onError = (error: unknown): void =>
      giveUp(new EngineError('internal', `${job.what}: the worker failed: ${messageOf(error)}`, { cause: error }));
    const onExit = (): void => giveUp(new EngineError('internal', `${job.what}: the worker ended`));
    const onReport = (report: IngestReport): void => {
      if (report.kind === 'progress') return onProgress?.(report.bytesRead);
      end();
      this.#giveBack(worker);
      if (report.kind === 'done') resolve(report);
      else reject(new EngineError(report.code, report.message));
    };
    worker.on('message', onReport).on('error', onError).on('exit', onExit);
    signal?.addEventListener('abort', onAbort, { once: true });
    worker.postMessage(job);
    return promise;
  }
}
