/** Work of one kind may take the event loop for so long, in milliseconds; others wait meanwhile. */
const longestTurn = 10;

/** Lets others have the event loop now and then, for long work that waits for nothing: `if (turns.isOver) await turns.next()`. */
export class Turns {
  #since = performance.now();

  get isOver(): boolean {
    return performance.now() - this.#since >= longestTurn;
  }

  /** Resolves when the others had theirs. */
  async next(): Promise<void> {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    this.#since = performance.now();
  }
}
