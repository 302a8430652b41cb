import { SystemError } from '../ffi/errors.ts';
import { addressOf, eventLoopAddress, nativeCallback, openLibrary } from '../ffi/library.ts';

const uv = openLibrary(null, {
  uv_handle_size: { arguments: ['i32'], return: 'u64' },
  uv_poll_init: { arguments: ['u64', 'pointer', 'i32'], return: 'i32' },
  uv_poll_start: { arguments: ['pointer', 'i32', 'u64'], return: 'i32' },
  uv_poll_stop: { arguments: ['pointer'], return: 'i32' },
  uv_close: { arguments: ['pointer', 'u64'], return: 'void' },
  uv_ref: { arguments: ['pointer'], return: 'void' },
  uv_unref: { arguments: ['pointer'], return: 'void' },
});

/** Event bits (uv_poll_event). */
export const READABLE = 1;
export const WRITABLE = 2;

/** `UV_POLL` of uv_handle_type. */
const pollHandleType = 8;
const handleSize = Number(uv.uv_handle_size(pollHandleType));

/** Handles that libuv knows, by address: it keeps their memory alive until libuv has let go of them. */
const handles = new Map<bigint, Poll>();
const ready: Poll[] = [];

/** Called by libuv; promises settle only outside of such a call, so the listeners run in the check phase. */
const onEvent = nativeCallback(['u64', 'i32', 'i32'], (address, status, events) => {
  const poll = handles.get(address);
  if (poll === undefined) return;
  if (!poll.gather(status < 0 ? READABLE | WRITABLE : events)) return;
  ready.push(poll);
  if (ready.length === 1) setImmediate(deliver);
});

/** While a thread ends its loop runs once more, and a callback that cannot run any more would end the process (SIGABRT). */
process.on('exit', () => {
  for (const poll of handles.values()) poll.watch(0);
});

function deliver(): void {
  // A listener that throws must not lose the events of the others: the rest is delivered in the next round.
  let poll = ready.shift();
  try {
    for (; poll !== undefined; poll = ready.shift()) poll.deliver();
  } finally {
    if (ready.length > 0) setImmediate(deliver);
  }
}

/**
 * Watches any descriptor that epoll takes (sockets, pipes, pidfd, inotify, eventfd) on the event loop of the calling
 * thread, level-triggered. It does not own the descriptor: close the poll first, then the descriptor.
 */
export class Poll {
  readonly fd: number;
  readonly #handle: Buffer;
  readonly #listener: (events: number) => void;
  #pending = 0;
  #closed = false;

  /** `listener` gets READABLE and WRITABLE bits; an error on the descriptor shows as both. Not called after `close`. */
  constructor(fd: number, events: number, listener: (events: number) => void) {
    this.fd = fd;
    this.#listener = listener;
    this.#handle = Buffer.alloc(handleSize);
    const result = uv.uv_poll_init(eventLoopAddress(), this.#handle, fd);
    if (result < 0) throw new SystemError(-result, 'uv_poll_init');
    handles.set(addressOf(this.#handle), this);
    this.watch(events);
  }

  /** Replaces the watched events; 0 pauses. Needed again after an error event, on which libuv stops watching. */
  watch(events: number): void {
    if (this.#closed) return;
    const result = events === 0 ? uv.uv_poll_stop(this.#handle) : uv.uv_poll_start(this.#handle, events, onEvent);
    if (result < 0) throw new SystemError(-result, 'uv_poll_start');
  }

  /** Does not keep the process alive any more. */
  unref(): this {
    if (!this.#closed) uv.uv_unref(this.#handle);
    return this;
  }

  /** Stops watching; the descriptor may be closed right afterwards. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    uv.uv_poll_stop(this.#handle);
    // Without a callback, which might come while the thread ends. Handles are let go of behind the check phase, so the one after
    // that is late enough.
    uv.uv_close(this.#handle, 0n);
    const address = addressOf(this.#handle);
    setImmediate(() => setImmediate(() => handles.delete(address)));
  }

  /** For the callback of libuv only: remembers events; true when the poll has to be queued. */
  gather(events: number): boolean {
    const queued = this.#pending !== 0;
    this.#pending |= events;
    return !queued && this.#pending !== 0;
  }

  /** For the delivery loop only. */
  deliver(): void {
    const events = this.#pending;
    this.#pending = 0;
    if (!this.#closed) this.#listener(events);
  }
}

/**
 * Resolves with the events when `fd` has one of `events`, or with 0 when `signal` aborts. The descriptor stays the
 * caller's and must stay open until then: epoll on a closed descriptor ends the process.
 */
export function pollOnce(
  fd: number,
  events: number,
  options: { readonly unref?: boolean; readonly signal?: AbortSignal } = {},
): Promise<number> {
  return new Promise((resolve) => {
    if (options.signal?.aborted === true) return resolve(0);
    const finish = (got: number): void => {
      poll.close();
      options.signal?.removeEventListener('abort', onAbort);
      resolve(got);
    };
    const onAbort = (): void => finish(0);
    const poll = new Poll(fd, events, finish);
    if (options.unref === true) poll.unref();
    options.signal?.addEventListener('abort', onAbort, { once: true });
  });
}
