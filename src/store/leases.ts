import type { Digest, DiffId } from '../base/ids.ts';

/**
 * Keeps content from the garbage collector that no record refers to yet: everything that an operation (pull, load,
 * import) makes or relies on is named here before the operation asks whether it is there, and released after the record
 * that refers to it is committed.
 */
export interface Lease extends AsyncDisposable {
  /** Resolves when the blob is safe: a deletion that has begun ends first, and the blob is then really gone. */
  blob(digest: Digest): Promise<void>;
  layer(diffId: DiffId): Promise<void>;
  release(): void;
}

/** Who holds what; shared by the leases and the garbage collector. */
export class LeaseBook {
  readonly #held = new Map<string, number>();
  /** While a collection runs: all that was held at any moment of it. */
  #heldMeanwhile: Set<string> | undefined;
  /** Deletions under way. */
  readonly #condemned = new Map<string, Promise<void>>();

  open(): Lease {
    const mine = new Set<string>();
    const hold = async (key: string): Promise<void> => {
      if (!mine.has(key)) {
        mine.add(key);
        this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
        this.#heldMeanwhile?.add(key);
      }
      await this.#condemned.get(key);
    };
    const release = (): void => {
      for (const key of mine) {
        const count = (this.#held.get(key) ?? 1) - 1;
        if (count === 0) this.#held.delete(key);
        else this.#held.set(key, count);
      }
      mine.clear();
    };
    return {
      blob: (digest) => hold(blobKey(digest)),
      layer: (diffId) => hold(layerKey(diffId)),
      release,
      [Symbol.asyncDispose]: () => Promise.resolve(release()),
    };
  }

  /** Begins a collection, in the moment in which it finds out what is live; at most one runs at a time. */
  beginCollection(): void {
    this.#heldMeanwhile = new Set(this.#held.keys());
  }

  endCollection(): void {
    this.#heldMeanwhile = undefined;
  }

  /** Deletes, unless somebody held it since the collection began: what was released since may be live now. */
  async condemn(key: string, remove: () => Promise<void>): Promise<boolean> {
    if (this.#heldMeanwhile?.has(key) !== false) return false;
    const removed = remove();
    const settled = removed.catch(() => undefined).finally(() => this.#condemned.delete(key));
    this.#condemned.set(key, settled);
    await removed;
    return true;
  }
}

export const blobKey = (digest: Digest): string => `blob ${digest}`;
export const layerKey = (diffId: DiffId): string => `layer ${diffId}`;
