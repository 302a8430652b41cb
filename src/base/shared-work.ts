import { cancelledBy, orAborted, throwIfAborted } from './async.ts';

/** One caller's part in a piece of work. */
export interface Share<News> {
  /** Does the work; called for one caller at a time. `signal` aborts when nobody waits for it any more. */
  readonly work: (tell: (news: News) => void, signal: AbortSignal) => Promise<void>;
  /** Is told what the work tells, whoever began it; at first what was told last. */
  readonly tell: (news: News) => void;
  readonly signal: AbortSignal;
}

/**
 * Work that is done once for all who want it at the same time. Each leaves when its own signal aborts; the work goes on
 * for the others, and ends with the last of them.
 */
export class SharedWork<Key, News> {
  readonly #running = new Map<Key, Running<News>>();

  /**
   * Resolves when the work is done. When work that another caller began fails, it is tried once more with this
   * caller's own: the reason may have been the other's. @throws what the own work throws, or `cancelled`
   */
  async run(key: Key, share: Share<News>): Promise<void> {
    for (;;) {
      throwIfAborted(share.signal);
      const running = this.#running.get(key);
      if (running === undefined) return this.#begin(key, share).wait(share);
      try {
        return await running.wait(share);
      } catch (error) {
        if (share.signal.aborted) throw error;
      }
    }
  }

  #begin(key: Key, { work }: Share<News>): Running<News> {
    const running = new Running(work, () => {
      if (this.#running.get(key) === running) this.#running.delete(key);
    });
    this.#running.set(key, running);
    return running;
  }
}

class Running<News> {
  readonly #listeners = new Set<(news: News) => void>();
  readonly #abort = new AbortController();
  readonly #result: Promise<void>;
  readonly #over: () => void;
  #last: { readonly news: News } | undefined;

  /** `over` is called when nobody may join any more. */
  constructor(work: Share<News>['work'], over: () => void) {
    this.#over = over;
    const tell = (news: News): void => {
      this.#last = { news };
      for (const listener of this.#listeners) listener(news);
    };
    // Begun a moment later: the first caller listens by then.
    this.#result = Promise.resolve()
      .then(() => work(tell, this.#abort.signal))
      .finally(over);
  }

  async wait({ tell, signal }: Share<News>): Promise<void> {
    this.#listeners.add(tell);
    if (this.#last !== undefined) tell(this.#last.news);
    try {
      await orAborted(this.#result, signal);
    } finally {
      this.#listeners.delete(tell);
      if (this.#listeners.size === 0 && signal.aborted) await this.#stop(signal);
    }
  }

  /** What was begun is put away before the last caller goes on. */
  async #stop(signal: AbortSignal): Promise<void> {
    this.#over();
    this.#abort.abort(cancelledBy(signal));
    await this.#result.catch(() => undefined);
  }
}
