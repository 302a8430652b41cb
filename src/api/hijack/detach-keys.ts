import { invalid } from '../../base/errors.ts';

const defaultKeys: readonly number[] = [16, 17]; // ctrl-p ctrl-q

/** What `ctrl-` may stand before besides the letters, in the order of their codes from 27 on; `@` is 0. */
const controlSymbols = '[\\]^_';

/**
 * The bytes of a detach sequence in Docker's grammar: keys parted by commas, each one character or `ctrl-` and a
 * letter or one of `@[\]^_`; empty or undefined for the default, ctrl-p ctrl-q.
 * @throws EngineError `invalid` for an unknown key.
 */
export function parseDetachKeys(text: string | undefined): readonly number[] {
  if (text === undefined || text === '') return defaultKeys;
  return text.split(',').map((key) => {
    if (key.length === 1 && key.charCodeAt(0) < 128) return key.charCodeAt(0);
    const symbol = key.startsWith('ctrl-') && key.length === 6 ? key.charAt(5) : '';
    if (symbol >= 'a' && symbol <= 'z') return symbol.charCodeAt(0) - 96;
    if (symbol === '@') return 0;
    const control = symbol === '' ? -1 : controlSymbols.indexOf(symbol);
    if (control < 0) throw invalid(`Invalid escape keys (${text}) provided: unknown character: '${key}'`);
    return 27 + control;
  });
}

/**
 * Watches typed input for the detach sequence. Keys that may begin it are held back until the next key decides: an
 * incomplete sequence is passed on.
 */
export class DetachMatcher {
  readonly #keys: readonly number[];
  #matched = 0;

  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  /** What to pass on of `input`; `detached` is true when the sequence was completed: nothing after it is passed on. */
  feed(input: Uint8Array): { pass: Uint8Array; detached: boolean } {
    const pass: number[] = [];
    for (const byte of input) {
      if (byte !== this.#keys[this.#matched]) {
        for (let index = 0; index < this.#matched; index++) pass.push(this.#keys[index] as number);
        this.#matched = 0;
      }
      if (byte !== this.#keys[this.#matched]) pass.push(byte);
      else if (++this.#matched === this.#keys.length) return { pass: Uint8Array.from(pass), detached: true };
    }
    return { pass: Uint8Array.from(pass), detached: false };
  }
}
