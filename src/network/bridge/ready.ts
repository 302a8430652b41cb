import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';

/** Long enough that refilling does not compete with the start that took the last one. */
const refillDelayMs = 20;

/**
 * Things that take milliseconds to make, kept ready so that a start does not wait for them. Nothing is made before the
 * first one was taken; from then on up to `size` are made one after another, a moment after each taking.
 */
export class ReadyStock<T> {
  readonly #size: number;
  readonly #make: () => Promise<T>;
  readonly #discard: (item: T) => void;
  readonly #log: Logger;
  readonly #items: T[] = [];
  #filling: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: { size: number; make: () => Promise<T>; discard: (item: T) => void; log: Logger }) {
    this.#size = options.size;
    this.#make = options.make;
    this.#discard = options.discard;
    this.#log = options.log;
  }

  /** The oldest one, or a new one when none is ready. */
  async take(): Promise<T> {
    const item = this.#items.shift();
    this.#scheduleRefill();
    return item ?? (await this.#make());
  }

  /** The ones that are ready. */
  get items(): readonly T[] {
    return this.#items;
  }

  /** Discards all; what is being made is discarded as it comes. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const item of this.#items.splice(0)) this.#discard(item);
    await this.#filling;
  }

  #scheduleRefill(): void {
    if (this.#size === 0 || this.#closed || this.#filling !== undefined) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#filling = this.#fill().finally(() => {
        this.#filling = undefined;
      });
    }, refillDelayMs);
    this.#timer.unref();
  }

  async #fill(): Promise<void> {
    try {
      while (this.#items.length < this.#size && !this.#closed) {
        const item = await this.#make();
        if (this.#closed) this.#discard(item);
        else this.#items.push(item);
      }
    } catch (error) {
      this.#log.warn('no network namespace could be made ready', { reason: messageOf(error) });
    }
  }
}
