import { isSpace } from '../spaces.ts';

/** Collects the words of a text while it is made: white space parts them, but not what was quoted or escaped. */
export class Words {
  readonly #words: string[] = [];
  #word = '';

  /** Text in which white space parts words. */
  add(text: string): void {
    let start = 0;
    for (let at = 0; at < text.length; at++) {
      if (!isSpace(text.charCodeAt(at))) continue;
      this.#word += text.slice(start, at);
      this.#finish();
      start = at + 1;
    }
    this.#word += text.slice(start);
  }

  /** Text that is part of one word, whatever it is. */
  addRaw(text: string): void {
    this.#word += text;
  }

  list(): readonly string[] {
    this.#finish();
    return this.#words;
  }

  /** Nothing between two blanks is no word, not even when it was quoted. */
  #finish(): void {
    if (this.#word !== '') this.#words.push(this.#word);
    this.#word = '';
  }
}
