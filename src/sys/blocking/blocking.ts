import { Worker } from 'node:worker_threads';
import { SystemError } from '../ffi/errors.ts';
import { workerUrl } from '../worker/url.ts';
import type { BlockingCalls } from './calls.ts';

export interface BlockingRequest {
  readonly name: keyof BlockingCalls;
  readonly args: readonly unknown[];
}
export type BlockingReply =
  | { readonly value: unknown; readonly failure?: undefined }
  | {
      readonly failure: {
        readonly errno: number;
        readonly syscall: string;
        readonly path: string | undefined;
        readonly message: string;
        readonly code?: string | undefined;
      };
    };

interface Job extends BlockingRequest {
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

/** A call that takes longer hangs (a dead network file system); others then get another thread. */
const HANGS_AFTER_MS = 1000;
const MOST_THREADS = 8;
/** They hold no data, so the smallest heap does. */
const resourceLimits = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 };

const queue: Job[] = [];
const idle: Worker[] = [];
let threads = 0;
let hanging: NodeJS.Timeout | undefined;

/**
 * Runs one of the calls that may sleep in the syscall worker, in the order of the calls. One thread is enough as long
 * as nothing hangs; it starts with the first call and never keeps the process alive by itself. Threads that were
 * started because one hung end when another one is idle.
 */
export function callBlocking<Name extends keyof BlockingCalls>(
  name: Name,
  ...args: Parameters<BlockingCalls[Name]>
): Promise<ReturnType<BlockingCalls[Name]>> {
  return new Promise((resolve, reject) => {
    queue.push({ name, args, resolve: resolve as (value: never) => void, reject });
    dispatch();
  });
}

function dispatch(): void {
  if (queue.length === 0) return;
  const worker = idle.pop() ?? (threads === 0 ? startThread() : undefined);
  if (worker !== undefined) {
    const job = queue.shift();
    if (job !== undefined) runJob(worker, job);
    return;
  }
  if (threads >= MOST_THREADS) return;
  const waiting = queue[0];
  hanging ??= setTimeout(() => {
    hanging = undefined;
    if (queue[0] === waiting) idle.push(startThread());
    dispatch();
  }, HANGS_AFTER_MS);
}

function startThread(): Worker {
  threads++;
  const worker = new Worker(workerUrl(import.meta.url, 'syscall.worker'), { resourceLimits, trackUnmanagedFds: false });
  worker.unref();
  return worker;
}

function runJob(worker: Worker, job: Job): void {
  worker.ref();
  const settle = () => {
    worker.off('message', onReply);
    worker.off('error', onError);
    worker.unref();
  };
  const onReply = (reply: BlockingReply) => {
    settle();
    if (reply.failure === undefined) job.resolve(reply.value as never);
    else job.reject(errorOf(reply.failure));
    if (queue.length === 0 && idle.length > 0) {
      threads--;
      void worker.terminate();
      return;
    }
    idle.push(worker);
    dispatch();
  };
  const onError = (error: unknown) => {
    settle();
    threads--;
    job.reject(error);
    dispatch();
  };
  worker.on('message', onReply);
  worker.on('error', onError);
  worker.postMessage({ name: job.name, args: job.args } satisfies BlockingRequest);
}

function errorOf(failure: NonNullable<BlockingReply['failure']>): Error {
  if (failure.errno > 0) return new SystemError(failure.errno, failure.syscall, failure.path);
  return Object.assign(new Error(failure.message), failure.code === undefined ? {} : { code: failure.code });
}
