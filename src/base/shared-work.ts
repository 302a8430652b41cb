import { cancelledBy, orAborted, throwIfAborted } from './async.ts';

/** One caller's part in a piece of work. */
export interface Share<News> {
  /** Does the work; called for one caller at a time. */
  readonly work: (tell: (news: News) => void, task: SharedTask) => Promise<void>;
  /** Whose means the work is done with, when that differs between callers. */
  readonly means?: string;
  /** Is told what the work tells, whoever began it; at first what was told last. */
  readonly tell: (news: News) => void;
  readonly signal: AbortSignal;
}

/** What work is told about those who wait for it. */
export interface SharedTask {
  /** Aborts when nobody waits for the work any more. */
  readonly signal: AbortSignal;
  /** Whether somebody waits who could do the work with other means; `GivenUp` then leaves it to them. */
  readonly isContested: () => boolean;
}

/** Thrown by work that others are to try: who began it waits for them. */
export class GivenUp extends Error {}

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
      if (running === undefined) {
        try {
          return await this.#begin(key, share).wait(share);
        } catch (error) {
          if (!(error instanceof GivenUp)) throw error;
          // Those who could do better begin before this one looks again.
          await new Promise((resolve) => setTimeout(resolve));
          continue;
        }
      }
      try {
        return await running.wait(share);
      } catch (error) {
        if (share.signal.aborted) throw error;
      }
    }
  }

  #begin(key: Key, { work, means }: Share<News>): Running<News> {
    const running = new Running(work, means, () => {
      if (this.#running.get(key) === running) this.#running.delete(key);
    });
    this.#running.set(key, running);
    return running;
  }
}

class Running<News> {
  /** Who waits, and with which means each could do it. */
  readonly #listeners = new Map<(news: News) => void, string | undefined>();
  readonly #abort = new AbortController();
  readonly #result: Promise<void>;
  readonly #over: () => void;
  #last: { readonly news: News } | undefined;

  /** `over` is called when nobody may join any more. */
  constructor(work: Share<News>['work'], means: string | undefined, over: () => void) {
    this.#over = over;
    const tell = (news: News): void => {
      this.#last = { news };
      for (const listener of this.#listeners.keys()) listener(news);
    };
    const isContested = (): boolean => [...this.#listeners.values()].some((other) => other !== means);
    // Begun a moment later: the first caller listens by then.
    this.#result = Promise.resolve()
      .then(() => work(tell, { signal: this.#abort.signal, isContested }))
      .finally(over);
  }

  async wait({ tell, signal, means }: Share<News>): Promise<void> {
    this.#listeners.set(tell, means);
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
