import { EngineError } from './errors.ts';

/** Runs tasks one after another, in the order of the calls; a failed task does not stop the next one. */
export class Mutex {
  #tail: Promise<unknown> = Promise.resolve();

  run<T>(task: () => T | Promise<T>): Promise<T> {
    const result = this.#tail.then(task);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}

/** One `Mutex` a key, dropped when nobody waits for it any more. */
export class KeyedMutex<Key> {
  readonly #queues = new Map<Key, { mutex: Mutex; users: number }>();

  async run<T>(key: Key, task: () => T | Promise<T>): Promise<T> {
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      queue = { mutex: new Mutex(), users: 0 };
      this.#queues.set(key, queue);
    }
    queue.users++;
    try {
      return await queue.mutex.run(task);
    } finally {
      if (--queue.users === 0) this.#queues.delete(key);
    }
  }
}

/** At most `limit` tasks at once; the others wait in the order of their calls. */
export class Semaphore {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  #limit: number;

  constructor(limit: number) {
    this.#free = limit;
    this.#limit = limit;
  }

  /** Lets so many in from now on; who is in already stays. */
  resize(limit: number): void {
    this.#free += limit - this.#limit;
    this.#limit = limit;
    while (this.#free > 0 && this.#waiting.length > 0) {
      this.#free--;
      this.#waiting.shift()?.();
    }
  }

  /** The next task has to wait. */
  get isFull(): boolean {
    return this.#free <= 0;
  }

  /** How many tasks wait for a place. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** @throws EngineError `cancelled` when `signal` aborts before there is a place; afterwards the task must look itself. */
  async run<T>(task: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    throwIfAborted(signal);
    if (this.#free > 0) this.#free--;
    else await this.#turn(signal);
    try {
      return await task();
    } finally {
      // Below zero there are more inside than a smaller limit allows.
      const next = this.#free < 0 ? undefined : this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }

  #turn(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const enter = (): void => {
      signal?.removeEventListener('abort', leave);
      resolve();
    };
    const leave = (): void => {
      this.#waiting.splice(this.#waiting.indexOf(enter), 1);
      if (signal !== undefined) reject(cancelledBy(signal));
    };
    this.#waiting.push(enter);
    signal?.addEventListener('abort', leave, { once: true });
    return promise;
  }
}

/** One `Semaphore` a key, all with the same limit; dropped when nobody is inside any more. */
export class KeyedSemaphore<Key> {
  readonly #inside = new Map<Key, { semaphore: Semaphore; users: number }>();
  #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  resize(limit: number): void {
    this.#limit = limit;
    for (const { semaphore } of this.#inside.values()) semaphore.resize(limit);
  }

  /** The next task of the key has to wait. */
  isFull(key: Key): boolean {
    return this.#inside.get(key)?.semaphore.isFull ?? false;
  }

  /** See `Semaphore`. */
  async run<T>(key: Key, task: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    let place = this.#inside.get(key);
    if (place === undefined) {
      place = { semaphore: new Semaphore(this.#limit), users: 0 };
      this.#inside.set(key, place);
    }
    place.users++;
    try {
      return await place.semaphore.run(task, signal);
    } finally {
      if (--place.users === 0) this.#inside.delete(key);
    }
  }
}

/** Resolves like `promise`, or rejects with `cancelled` as soon as `signal` aborts (the work itself goes on). */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  if (signal.aborted) return Promise.reject(cancelledBy(signal));
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(cancelledBy(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', onAbort));
}

/** The error of a wait that `signal` ended. */
export function cancelledBy(signal: AbortSignal): EngineError {
  return new EngineError('cancelled', 'the operation was cancelled', { cause: signal.reason });
}

/** @throws EngineError `cancelled` when `signal` is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw cancelledBy(signal);
}

/** Resolves after `ms` milliseconds, or rejects with `cancelled` when `signal` aborts first. */
export function delay(ms: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  if (signal?.aborted === true) return Promise.reject(cancelledBy(signal));
  const timer = setTimeout(() => {
    signal?.removeEventListener('abort', onAbort);
    resolve();
  }, ms);
  const onAbort = () => {
    clearTimeout(timer);
    if (signal !== undefined) reject(cancelledBy(signal));
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  return promise;
}

/** Something that happens once, and that any number of callers may wait for, before or after it happened. */
export class Latch<T = void> {
  readonly #inner = Promise.withResolvers<T>();
  #value: { value: T } | undefined;

  get isSet(): boolean {
    return this.#value !== undefined;
  }

  /** The first call wins; later ones are ignored. */
  set(value: T): void {
    if (this.#value !== undefined) return;
    this.#value = { value };
    this.#inner.resolve(value);
  }

  wait(signal?: AbortSignal): Promise<T> {
    return orAborted(this.#inner.promise, signal);
  }
}
