import type { Worker } from 'node:worker_threads';
import { Semaphore, throwIfAborted } from '../../base/async.ts';
import { EngineError, messageOf } from '../../base/errors.ts';
import { Threads } from '../../sys/worker/threads.ts';
import { workerUrl } from '../../sys/worker/url.ts';
import type { IngestGrowth, IngestJob, IngestPiece, IngestReport, LayerJob, TreeJob } from './_ingest_protocol.ts';
import type { ArchiveSource } from './backend.ts';
import { ArchiveFeed } from './feed.ts';

type Done = Extract<IngestReport, { kind: 'done' }>;
type TreeDone = Extract<IngestReport, { kind: 'tree-done' }>;
type Options = { signal?: AbortSignal; onProgress?: (bytesRead: number) => void };
type OnRead = (bytes: Uint8Array<ArrayBuffer>) => void;

/** What is to be ingested, and where the result goes. */
export interface IngestTask extends Omit<IngestJob, 'kind' | 'source'> {
  readonly source: ArchiveSource;
}

/** More would only compete for the disk. */
const mostWorkers = 2;
/** A layer of several million files needs some 500 MiB for their names. */
const resourceLimits = { maxOldGenerationSizeMb: 2048, maxYoungGenerationSizeMb: 16 };

/** Runs jobs on layers in worker threads, which are started on demand and end when there is nothing to do. */
export class IngestPool {
  readonly #turns: Semaphore;
  readonly #threads = new Threads(workerUrl(import.meta.url, 'layer-ingest.worker'), { resourceLimits });

  constructor(workers = mostWorkers) {
    this.#turns = new Semaphore(workers);
  }

  /** What was found. @throws the job's error. */
  runOnTree(job: TreeJob): Promise<string | undefined> {
    return this.#turns.run(async () => (await this.#runIn<TreeDone>(this.#threads.take(), job, job.kind, {})).found);
  }

  /** @throws the job's error, or cancelled; the target may be left then. */
  run({ source, ...task }: IngestTask, options: Options): Promise<Done> {
    return this.#turns.run(async () => {
      throwIfAborted(options.signal);
      if (typeof source === 'string') {
        const job = { ...task, kind: 'ingest', source: { path: source } } as const;
        return this.#runIn<Done>(this.#threads.take(), job, task.what, options);
      }
      if (source instanceof ArchiveFeed) return this.#runOnFeed(source, task, options);
      // Threads share descriptors: the worker reads on, whatever name the file gets meanwhile.
      const file = await source.open();
      try {
        // Else nobody would stop it: an abort is told once, and what was given up never ends.
        throwIfAborted(options.signal);
        const worker = this.#threads.take();
        const job = { ...task, kind: 'ingest', source: { fd: file.fd } } as const;
        const done = this.#runIn<Done>(worker, job, task.what, options);
        const stop = source.follow((available, complete) =>
          worker.postMessage({ kind: 'growth', available, complete } satisfies IngestGrowth),
        );
        return await done.finally(stop);
      } finally {
        await file.close();
      }
    });
  }

  #runOnFeed(feed: ArchiveFeed, task: Omit<IngestTask, 'source'>, options: Options): Promise<Done> {
    const worker = this.#threads.take();
    const job = { ...task, kind: 'ingest', source: { pieces: true } } as const;
    const done = this.#runIn<Done>(worker, job, task.what, options, (bytes) => feed.giveBack(bytes));
    feed.attach({
      take: (piece) => worker.postMessage({ kind: 'piece', piece } satisfies IngestPiece, [piece.bytes.buffer]),
      end: () => worker.postMessage({ kind: 'piece' } satisfies IngestPiece),
    });
    return done;
  }

  /** Stops all workers; jobs that run fail. */
  close(): Promise<void> {
    return this.#threads.close();
  }

  /** `Ending` is the report that the kind of the job ends with. */
  #runIn<Ending extends Done | TreeDone>(
    worker: Worker,
    job: LayerJob,
    what: string,
    { signal, onProgress }: Options,
    onRead?: OnRead,
  ): Promise<Ending> {
    const { promise, resolve, reject } = Promise.withResolvers<Ending>();
    const end = (): void => {
      worker.off('message', onReport).off('error', onError).off('exit', onExit);
      signal?.removeEventListener('abort', onAbort);
    };
    // A worker that stopped in the middle of a job is not used again.
    const giveUp = (error: EngineError): void => {
      end();
      void worker.terminate().finally(() => reject(error));
    };
    const onAbort = (): void => giveUp(new EngineError('cancelled', `${what}: the ingest was cancelled`));
    const onError = (error: unknown): void =>
      giveUp(new EngineError('internal', `${what}: the worker failed: ${messageOf(error)}`, { cause: error }));
    const onExit = (): void => giveUp(new EngineError('internal', `${what}: the worker ended`));
    const onReport = (report: IngestReport): void => {
      if (report.kind === 'progress') return onProgress?.(report.bytesRead);
      if (report.kind === 'read') return onRead?.(report.bytes);
      end();
      this.#threads.giveBack(worker);
      if (report.kind === 'failed') reject(new EngineError(report.code, report.message));
      else resolve(report as Ending);
    };
    worker.on('message', onReport).on('error', onError).on('exit', onExit);
    signal?.addEventListener('abort', onAbort, { once: true });
    worker.postMessage(job);
    return promise;
  }
}
