import { orAborted } from '../../base/async.ts';

/** Steps that are being made at the moment, by their keys: who wants the same waits, instead of making it twice. */
export class Flights {
  readonly #flying = new Map<string, Promise<void>>();

  /** Makes a step, unless somebody is making it: then `look` is asked for what came out, as often as it takes. */
  async share<T>(
    key: string,
    signal: AbortSignal,
    look: () => Promise<T | undefined>,
    make: () => Promise<T>,
  ): Promise<T> {
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      const other = this.#flying.get(key);
      if (other === undefined) break;
      // What became of it, failures too, is the business of who makes it.
      await orAborted(other, signal);
    }
    const over = Promise.withResolvers<void>();
    this.#flying.set(key, over.promise);
    try {
      return await make();
    } finally {
      this.#flying.delete(key);
      over.resolve();
    }
  }
}
