import { invalid } from '../base/errors.ts';

/** The value of a variable; undefined when it is not set. */
export type Variables = (name: string) => string | undefined;

/** So deep `${A:-${B:-...}}` may go. */
const mostNested = 50;

export const isSpace = (character: string): boolean => character === ' ' || character === '\t';

/** Words between white space; quotes and backslashes keep it, and stay as they are. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (quote === '' && isSpace(character)) {
      if (word !== '') words.push(word);
      word = '';
      continue;
    }
    word += character;
    if (character === quote) quote = '';
    else if (quote === '' && (character === '"' || character === "'")) quote = character;
    else if (character === '\\' && quote !== "'" && at + 1 < text.length) word += text.charAt(++at);
  }
  if (word !== '') words.push(word);
  return words;
}

/**
 * A word as a Dockerfile means it: quotes and backslashes taken off, `$NAME`, `${NAME}`, `${NAME:-else}`, `${NAME:+instead}`
 * and `${NAME:?complaint}` (with and without colon) replaced outside of single quotes.
 * @throws EngineError `invalid` that quotes the word
 */
export function expandWord(word: string, variables: Variables): string {
  try {
    return new Expansion(word, variables).text('', 0);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw invalid(`failed to process ${JSON.stringify(word.slice(0, 200))}: ${error.message}`, error);
  }
}

class Expansion {
  readonly #word: string;
  readonly #variables: Variables;
  #at = 0;

  constructor(word: string, variables: Variables) {
    this.#word = word;
    this.#variables = variables;
  }

  /** Up to the character `end`, which is passed over; to the end of the word for ''. */
  text(end: string, depth: number): string {
    if (depth > mostNested) throw invalid('too many nested variables');
    let text = '';
    while (this.#at < this.#word.length) {
      const character = this.#next();
      if (character === end) return text;
      if (character === "'") text += this.#quoted();
      else if (character === '"') text += this.#doubleQuoted(depth);
      else if (character === '$') text += this.#variable(depth);
      else if (character === '\\' && this.#at < this.#word.length) text += this.#next();
      else text += character;
    }
    if (end !== '') throw invalid(`syntax error: missing '${end}'`);
    return text;
  }

  #next(): string {
    return this.#word.charAt(this.#at++);
  }

  #quoted(): string {
    const close = this.#word.indexOf("'", this.#at);
    if (close < 0) throw unclosed('single');
    const text = this.#word.slice(this.#at, close);
    this.#at = close + 1;
    return text;
  }

  #doubleQuoted(depth: number): string {
    let text = '';
    while (this.#at < this.#word.length) {
      const character = this.#next();
      if (character === '"') return text;
      if (character === '$') text += this.#variable(depth);
      else if (character === '\\' && '"$\\'.includes(this.#word.charAt(this.#at))) text += this.#next();
      else text += character;
    }
    throw unclosed('double');
  }

  /** Behind the `$`. */
  #variable(depth: number): string {
    if (this.#word.charAt(this.#at) !== '{') {
      const name = this.#name();
      return name === '' ? '$' : (this.#variables(name) ?? '');
    }
    this.#at++;
    const name = this.#name();
    if (name === '') throw invalid('syntax error: bad substitution');
    const value = this.#variables(name);
    let modifier = this.#next();
    if (modifier === '}') return value ?? '';
    const emptyCounts = modifier !== ':';
    if (!emptyCounts) modifier = this.#next();
    const isSet = value !== undefined && (emptyCounts || value !== '');
    const word = this.text('}', depth + 1);
    switch (modifier) {
      case '-':
        return isSet ? value : word;
      case '+':
        return isSet ? word : '';
      case '?':
        if (isSet) return value;
        throw invalid(`${name}: ${word === '' ? 'is not allowed to be unset' : word}`);
      default:
        throw invalid(`unsupported modifier (${modifier}) in substitution`);
    }
  }

  #name(): string {
    const start = this.#at;
    while (isNameCharacter(this.#word.charCodeAt(this.#at), this.#at > start)) this.#at++;
    return this.#word.slice(start, this.#at);
  }
}

const isNameCharacter = (code: number, later: boolean): boolean =>
  (code >= 0x41 && code <= 0x5a) ||
  (code >= 0x61 && code <= 0x7a) ||
  code === 0x5f ||
  (later && code >= 0x30 && code <= 0x39);

const unclosed = (kind: 'single' | 'double'): Error =>
  invalid(`unexpected end of statement while looking for matching ${kind}-quote`);
