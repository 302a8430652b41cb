/** States of a pattern that is matched all ways at once: each is in the set once, however many ways lead to it. */
export class States {
  /** In the order in which they were added. */
  readonly list: number[] = [];
  readonly #has: Uint8Array;
  readonly #skips: readonly boolean[];

  /** @param skips for each state whether it may stand for nothing, so that the next one is as good */
  constructor(skips: readonly boolean[]) {
    this.#skips = skips;
    this.#has = new Uint8Array(skips.length);
  }

  add(state: number): void {
    for (let at = state; this.#has[at] === 0; at++) {
      this.#has[at] = 1;
      this.list.push(at);
      if (this.#skips[at] !== true) return;
    }
  }

  has(state: number): boolean {
    return this.#has[state] === 1;
  }

  clear(): void {
    for (const state of this.list) this.#has[state] = 0;
    this.list.length = 0;
  }
}
