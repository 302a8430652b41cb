import { Worker } from 'node:worker_threads';
import { cancelledBy } from '../../base/async.ts';
import { workerUrl } from '../worker/url.ts';

/** The answer of a worker: bytes, or why the directory cannot be read. */
export type UsageReply =
  | { readonly bytes: number; readonly failure?: undefined }
  | { readonly failure: { readonly code: string | undefined; readonly message: string } };

/** One walk, and all who wait for it. */
interface Walk {
  readonly directory: string;
  readonly settled: PromiseWithResolvers<number>;
  waiting: number;
  worker: Worker | undefined;
  /** Takes the walk off its worker. */
  forget: () => void;
}

/** So many walks go on at once: a second one goes past a file system that does not answer. */
const mostWorkers = 2;
/** An idle worker ends after so many milliseconds. */
const idleMs = 5000;
/** In MiB; it holds the names of one directory and the inodes of hard links. */
const resourceLimits = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 4 };

const walks = new Map<string, Walk>();
const queue: Walk[] = [];
const idle: Worker[] = [];
let workers = 0;
let idleTimer: NodeJS.Timeout | undefined;

/**
 * Bytes of everything below `directory`, as `walkUsage` counts them, in a worker. Who asks for a directory that is being
 * counted waits for that same walk; it is given up when the last of them has aborted.
 * @throws the system's error when the directory cannot be read; EngineError `cancelled`.
 */
export async function diskUsage(directory: string, signal?: AbortSignal): Promise<number> {
  if (signal?.aborted === true) throw cancelledBy(signal);
  const walk = walks.get(directory) ?? begin(directory);
  walk.waiting++;
  const left = Promise.withResolvers<never>();
  const onAbort = (): void => left.reject(cancelledBy(signal as AbortSignal));
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([walk.settled.promise, left.promise]);
  } finally {
    signal?.removeEventListener('abort', onAbort);
    walk.waiting--;
    if (walk.waiting === 0 && walks.get(directory) === walk) giveUp(walk);
  }
}

function begin(directory: string): Walk {
  const walk: Walk = {
    directory,
    settled: Promise.withResolvers(),
    waiting: 0,
    worker: undefined,
    forget: () => undefined,
  };
  walk.settled.promise.catch(() => undefined);
  walks.set(directory, walk);
  queue.push(walk);
  dispatch();
  return walk;
}

/** Nobody waits any more: what a worker does in the middle of a tree can only be ended with it. */
function giveUp(walk: Walk): void {
  walks.delete(walk.directory);
  const at = queue.indexOf(walk);
  if (at >= 0) queue.splice(at, 1);
  if (walk.worker === undefined) return;
  workers--;
  walk.forget();
  void walk.worker.terminate();
  dispatch();
}

function dispatch(): void {
  while (queue.length > 0) {
    const worker = idle.pop() ?? (workers < mostWorkers ? startWorker() : undefined);
    if (worker === undefined) return;
    run(queue.shift() as Walk, worker);
  }
}

function startWorker(): Worker {
  workers++;
  return new Worker(workerUrl(import.meta.url, 'disk-usage.worker'), { resourceLimits });
}

function run(walk: Walk, worker: Worker): void {
  walk.worker = worker;
  worker.ref();
  const finish = (): void => {
    worker.off('message', onReply);
    worker.off('error', onError);
    if (walks.get(walk.directory) === walk) walks.delete(walk.directory);
  };
  const onReply = (reply: UsageReply): void => {
    finish();
    if (reply.failure === undefined) walk.settled.resolve(reply.bytes);
    else walk.settled.reject(Object.assign(new Error(reply.failure.message), { code: reply.failure.code }));
    idle.push(worker);
    restLater();
    dispatch();
  };
  const onError = (error: unknown): void => {
    finish();
    workers--;
    walk.settled.reject(error);
    dispatch();
  };
  worker.on('message', onReply);
  worker.on('error', onError);
  walk.forget = finish;
  worker.postMessage(walk.directory);
}

function restLater(): void {
  for (const worker of idle) worker.unref();
  clearTimeout(idleTimer);
  idleTimer = setTimeout(() => {
    for (const worker of idle.splice(0)) {
      workers--;
      void worker.terminate();
    }
  }, idleMs).unref();
}
