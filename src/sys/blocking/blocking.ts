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

/** Jobs that were asked for in the same tick travel together: what costs is the trip. */
type Trip = Job[];

const queue: Trip[] = [];
let boarding: Trip | undefined;
const idle: Worker[] = [];
let threads = 0;
let hanging: NodeJS.Timeout | undefined;

/**
 * Runs one of the calls that may sleep in the syscall worker, in the order of the calls. Calls of the same tick share
 * one trip, and all are answered when the last one is done: ask for what is needed together at once. One thread is enough as long
 * as nothing hangs; it starts with the first call and never keeps the process alive by itself. Threads that were
 * started because one hung end when another one is idle.
 */
export function callBlocking<Name extends keyof BlockingCalls>(
  name: Name,
  ...args: Parameters<BlockingCalls[Name]>
): Promise<ReturnType<BlockingCalls[Name]>> {
  return new Promise((resolve, reject) => {
    const job = { name, args, resolve: resolve as (value: never) => void, reject };
    if (boarding !== undefined) {
      boarding.push(job);
      return;
    }
    boarding = [job];
    queueMicrotask(depart);
  });
}

function depart(): void {
  if (boarding !== undefined) queue.push(boarding);
  boarding = undefined;
  dispatch();
}

function dispatch(): void {
  if (queue.length === 0) return;
  const worker = idle.pop() ?? (threads === 0 ? startThread() : undefined);
  if (worker !== undefined) {
    const trip = queue.shift();
    if (trip !== undefined) runTrip(worker, trip);
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

function runTrip(worker: Worker, trip: Trip): void {
  worker.ref();
  const settle = () => {
    worker.off('message', onReply);
    worker.off('error', onError);
    worker.unref();
  };
  const onReply = (replies: readonly BlockingReply[]) => {
    settle();
    for (const [at, job] of trip.entries()) answer(job, replies[at]);
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
    for (const job of trip) job.reject(error);
    dispatch();
  };
  worker.on('message', onReply);
  worker.on('error', onError);
  worker.postMessage(trip.map(({ name, args }): BlockingRequest => ({ name, args })));
}

function answer(job: Job, reply: BlockingReply | undefined): void {
  if (reply === undefined) job.reject(new Error('the syscall worker left a call unanswered'));
  else if (reply.failure === undefined) job.resolve(reply.value as never);
  else job.reject(errorOf(reply.failure));
}

function errorOf(failure: NonNullable<BlockingReply['failure']>): Error {
  if (failure.errno > 0) return new SystemError(failure.errno, failure.syscall, failure.path);
  return Object.assign(new Error(failure.message), failure.code === undefined ? {} : { code: failure.code });
}
