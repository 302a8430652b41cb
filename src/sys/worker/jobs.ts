import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';
import { Semaphore, throwIfAborted } from '../../base/async.ts';
import { EngineError, messageOf } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import { type JobMessage, type JobTicket, mostPieces, pieceSize } from './job-port.ts';
import { Threads } from './threads.ts';

export interface JobWorkersOptions {
  readonly url: URL;
  /** Jobs beyond that wait. */
  readonly most: number;
  readonly maxHeapMb: number;
}

/**
 * Runs jobs that take long and block, each in a worker thread of its own, which are started on demand and end when there
 * is nothing to do. A job reads or writes a stream of bytes beside it; memory for each is bounded.
 */
export class JobWorkers {
  readonly #turns: Semaphore;
  readonly #threads: Threads;

  constructor({ url, most, maxHeapMb }: JobWorkersOptions) {
    this.#turns = new Semaphore(most);
    const resourceLimits = { maxOldGenerationSizeMb: maxHeapMb, maxYoungGenerationSizeMb: 8 };
    this.#threads = new Threads(url, { resourceLimits, trackUnmanagedFds: false });
  }

  /** A job that writes: its output. A piece is only valid until the next one is asked for. @throws the job's error. */
  async *output(task: unknown, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const turn = await this.#turn();
    const job = new RunningJob(this.#threads.take(), task);
    const onAbort = (): void => job.send({ kind: 'cancel' });
    signal?.addEventListener('abort', onAbort, { once: true });
    let used: Uint8Array<ArrayBuffer> | undefined;
    try {
      throwIfAborted(signal);
      for (;;) {
        const message = await job.next();
        if (message.kind === 'done') return;
        if (message.kind === 'failed') throw new EngineError(message.code, message.message);
        if (message.kind !== 'bytes') continue;
        used = message.bytes;
        yield used;
        job.send({ kind: 'room', room: used.buffer }, [used.buffer]);
      }
    } finally {
      signal?.removeEventListener('abort', onAbort);
      await this.#end(job, turn);
    }
  }

  /** A job that may read `input` and answers with a value; what of the input it does not want is left. @throws its error. */
  async run<T>(task: unknown, input?: ByteStream, signal?: AbortSignal): Promise<T> {
    const turn = await this.#turn();
    const job = new RunningJob(this.#threads.take(), task);
    const onAbort = (): void => job.send({ kind: 'cancel' });
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      throwIfAborted(signal);
      const feeder = new Feeder(job);
      if (input !== undefined) await feeder.feed(input);
      const outcome = await feeder.outcome();
      if (outcome.kind === 'failed') throw new EngineError(outcome.code, outcome.message);
      return outcome.value as T;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      await this.#end(job, turn);
    }
  }

  /** A job is likely to come soon: a thread is started for it, unless one waits. */
  prepare(): void {
    this.#threads.prepare();
  }

  /** Ends the threads; to be called when no job runs. */
  close(): Promise<void> {
    return this.#threads.close();
  }

  async #turn(): Promise<() => void> {
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    await new Promise<void>((begin) => {
      void this.#turns.run(() => {
        begin();
        return over;
      });
    });
    return end;
  }

  /** The thread is free again once its job has ended, which is asked for when it has not. */
  async #end(job: RunningJob, turn: () => void): Promise<void> {
    await job.stop();
    turn();
    if (!job.isBroken) this.#threads.giveBack(job.worker);
  }
}

/** The engine's end of one job. */
class RunningJob {
  readonly worker: Worker;
  readonly #port: MessagePort;
  readonly #bell = new Int32Array(new SharedArrayBuffer(4));
  readonly #messages: JobMessage[] = [];
  #wake: (() => void) | undefined;
  #ended = false;
  isBroken = false;

  constructor(worker: Worker, task: unknown) {
    this.worker = worker;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.on('message', (message: JobMessage) => this.#arrived(message));
    worker.on('error', this.#onError).on('exit', this.#onExit);
    worker.postMessage({ task, port: port2, bell: this.#bell } satisfies JobTicket, [port2]);
  }

  send(message: JobMessage, transfer: ArrayBuffer[] = []): void {
    if (this.#ended) return;
    this.#port.postMessage(message, transfer);
    Atomics.add(this.#bell, 0, 1);
    Atomics.notify(this.#bell, 0);
  }

  /** The next message of the job, in order; the last one is `done` or `failed`. */
  async next(): Promise<JobMessage> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** A message that is there already. */
  poll(): JobMessage | undefined {
    return this.#messages.shift();
  }

  /** Resolves when the job is over; one that still runs is told to stop. */
  async stop(): Promise<void> {
    this.send({ kind: 'cancel' });
    while (!this.#ended) await this.next();
    this.worker.off('error', this.#onError).off('exit', this.#onExit);
    this.#port.close();
  }

  #arrived(message: JobMessage): void {
    if (message.kind === 'done' || message.kind === 'failed') this.#ended = true;
    this.#messages.push(message);
    this.#wake?.();
    this.#wake = undefined;
  }

  readonly #onError = (error: unknown): void => this.#broke(`the worker failed: ${messageOf(error)}`);
  readonly #onExit = (): void => this.#broke('the worker ended');

  #broke(message: string): void {
    this.isBroken = true;
    if (!this.#ended) this.#arrived({ kind: 'failed', code: 'internal', message });
  }
}

type Outcome = Extract<JobMessage, { kind: 'done' | 'failed' }>;

/** Gathers input into pieces and hands them to a job, a few at a time. */
class Feeder {
  readonly #job: RunningJob;
  readonly #rooms: ArrayBuffer[] = [];
  #made = 0;
  #outcome: Outcome | undefined;

  constructor(job: RunningJob) {
    this.#job = job;
  }

  /** Until the input ends, or the job does. */
  async feed(input: ByteStream): Promise<void> {
    let piece: Uint8Array<ArrayBuffer> | undefined;
    let filled = 0;
    for await (const chunk of input) {
      for (let at = 0; at < chunk.length; ) {
        piece ??= await this.#room();
        if (piece === undefined) return;
        const length = Math.min(piece.length - filled, chunk.length - at);
        piece.set(chunk.subarray(at, at + length), filled);
        filled += length;
        at += length;
        if (filled < piece.length) continue;
        this.#send(piece, filled);
        piece = undefined;
        filled = 0;
      }
    }
    if (piece !== undefined && filled > 0) this.#send(piece, filled);
    this.#job.send({ kind: 'end' });
  }

  async outcome(): Promise<Outcome> {
    while (this.#outcome === undefined) this.#take(await this.#job.next());
    return this.#outcome;
  }

  /** Undefined when the job has ended. */
  async #room(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    for (let message = this.#job.poll(); message !== undefined; message = this.#job.poll()) this.#take(message);
    if (this.#rooms.length === 0 && this.#made < mostPieces && this.#outcome === undefined) {
      this.#made++;
      return new Uint8Array(pieceSize);
    }
    while (this.#rooms.length === 0 && this.#outcome === undefined) this.#take(await this.#job.next());
    const room = this.#outcome === undefined ? this.#rooms.pop() : undefined;
    return room === undefined ? undefined : new Uint8Array(room);
  }

  #send(piece: Uint8Array<ArrayBuffer>, length: number): void {
    this.#job.send({ kind: 'bytes', bytes: new Uint8Array(piece.buffer, 0, length) }, [piece.buffer]);
  }

  #take(message: JobMessage): void {
    if (message.kind === 'room') this.#rooms.push(message.room);
    else if (message.kind === 'done' || message.kind === 'failed') this.#outcome = message;
  }
}
