import type { Http2Stream } from './_stream.ts';

/** RFC 9113: both windows begin so, until the peer says otherwise. */
export const initialWindow = 65_535;

/** How much may be sent still: of all streams together, and of each. */
export class SendWindows {
  #connection = initialWindow;
  #ofNewStream = initialWindow;
  #waiting: (() => void)[] = [];

  get ofNewStream(): number {
    return this.#ofNewStream;
  }

  /** Takes up to `wanted` bytes out of both windows; 0 when nothing may be sent. */
  take(stream: Http2Stream, wanted: number): number {
    const count = Math.max(0, Math.min(this.#connection, stream.sendWindow, wanted));
    this.#connection -= count;
    stream.sendWindow -= count;
    return count;
  }

  /** The peer has room for more; of all streams together when none is named. */
  grow(bytes: number, stream?: Http2Stream): void {
    if (stream === undefined) this.#connection += bytes;
    else stream.sendWindow += bytes;
    this.wake();
  }

  /** The peer changes what streams begin with, also for those that have begun. */
  change(window: number, streams: Iterable<Http2Stream>): void {
    for (const stream of streams) stream.sendWindow += window - this.#ofNewStream;
    this.#ofNewStream = window;
    this.wake();
  }

  /** Resolves when something has changed. */
  changed(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    return promise;
  }

  /** Those who wait look again: also when a stream is gone. */
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
