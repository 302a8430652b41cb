import { invalid } from '../../base/errors.ts';

/** Steps that all expansions of one build may take together: some tenths of a second. Texts can double from line to line. */
const most = 8 * 1024 * 1024;

/** Holds expansions to an amount of work and of text: a Dockerfile comes from anywhere. */
export class Budget {
  #left: number;

  constructor(steps = most) {
    this.#left = steps;
  }

  /** One step is about a character read, written or compared. @throws EngineError `invalid` when all are used up */
  spend(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) throw invalid('the values of variables become too long, or their patterns take too long');
  }

  /** More was asked for than there was. */
  get isSpent(): boolean {
    return this.#left < 0;
  }

  /** A text that is read or written, a step a character. */
  take(text: string): string {
    this.spend(text.length);
    return text;
  }
}
