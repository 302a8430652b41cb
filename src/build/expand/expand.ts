import { invalid } from '../../base/errors.ts';
import { goQuote } from '../../base/text/quote.ts';
import { Budget } from './budget.ts';
import { replaceMatches, withoutPrefix, withoutSuffix } from './pattern.ts';
import type { Variables } from './variables.ts';
import { Words } from './_words.ts';

export interface ExpandOptions {
  /** The character that takes its special meaning from the next one; `\` when it is left out. */
  readonly escape?: '\\' | '`';
  /** Quotes stay in the text, and mean what they mean. */
  readonly keepsQuotes?: boolean;
  readonly keepsEscapes?: boolean;
  /** Quotes are characters like any other. */
  readonly ignoresQuotes?: boolean;
  /** `$NAME` of a variable that is not set stays as it is. */
  readonly keepsUnset?: boolean;
  /** Shared by all expansions of one file. */
  readonly budget?: Budget;
}

export interface Expanded {
  readonly text: string;
  /** The text taken apart at white space that was not quoted; variables are replaced before. */
  readonly words: readonly string[];
  /** Names of variables that were looked up and are set, or are not. */
  readonly used: ReadonlySet<string>;
  readonly missing: ReadonlySet<string>;
}

/** So deep `${A:-${B:-...}}` may go. */
const mostNested = 50;

/**
 * Replaces variables in a text as Dockerfiles mean them, and takes off its quotes and escapes:
 * `$NAME`, `${NAME}`, `${NAME:-else}`, `:+`, `:?` (with and without colon), `#`, `##`, `%`, `%%`, `/pattern/by`,
 * `//pattern/by`.
 * @throws EngineError `invalid` that quotes the text
 */
export function expand(source: string, variables: Variables, options: ExpandOptions = {}): Expanded {
  const expansion = new Expansion(source, variables, options);
  try {
    const { text, words } = expansion.until('', options.keepsEscapes ?? false, 0);
    return { text, words: words.list(), used: expansion.used, missing: expansion.missing };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw invalid(`failed to process ${goQuote(shortened(source))}: ${error.message}`, error);
  }
}

const shortened = (text: string): string => (text.length > 1000 ? `${text.slice(0, 1000)}...` : text);

interface Piece {
  readonly text: string;
  readonly words: Words;
}

/** One text being read from its front to its end. */
class Expansion {
  readonly used = new Set<string>();
  readonly missing = new Set<string>();
  readonly #source: string;
  readonly #variables: Variables;
  readonly #options: ExpandOptions;
  readonly #escape: string;
  readonly #budget: Budget;
  #at = 0;

  constructor(source: string, variables: Variables, options: ExpandOptions) {
    this.#source = source;
    this.#variables = variables;
    this.#options = options;
    this.#escape = options.escape ?? '\\';
    this.#budget = options.budget ?? new Budget();
  }

  /** Up to the character `end`, which is passed over; to the end of the text for ''. */
  until(end: string, keepsEscapes: boolean, depth: number): Piece {
    if (depth > mostNested) throw invalid(`variables are nested more than ${mostNested} deep`);
    const words = new Words();
    let text = '';
    const addRaw = (piece: string) => {
      text += piece;
      words.addRaw(piece);
    };
    while (this.#at < this.#source.length) {
      const plain = this.#plain(end);
      text += plain;
      words.add(plain);
      if (this.#at === this.#source.length) break;
      const character = this.#next();
      if (character === end) return { text, words };
      if (character === "'") addRaw(this.#singleQuoted());
      else if (character === '"') addRaw(this.#doubleQuoted(keepsEscapes, depth));
      else if (character === '<') addRaw(this.#maybeHeredoc());
      else if (character === '$') {
        const value = this.#variable(depth);
        text += value;
        words.add(value);
      } else {
        if (keepsEscapes) addRaw(character);
        if (this.#at < this.#source.length) addRaw(this.#next());
      }
    }
    if (end === '') return { text, words };
    throw invalid(end === '/' ? "syntax error: missing '/' in ${}" : "syntax error: missing '}'");
  }

  /** The next character, a whole one beyond the basic plane, too. */
  #next(): string {
    const code = this.#source.codePointAt(this.#at) as number;
    const character = String.fromCodePoint(code);
    this.#at += character.length;
    return character;
  }

  /** The characters up to one that means something. */
  #plain(end: string): string {
    const quotes = this.#options.ignoresQuotes === true ? '' : '"\'';
    const special = `${end}${quotes}<$${this.#escape}`;
    const start = this.#at;
    while (this.#at < this.#source.length && !special.includes(this.#source.charAt(this.#at))) this.#at++;
    return this.#budget.take(this.#source.slice(start, this.#at));
  }

  #peek(): string {
    return this.#source.charAt(this.#at);
  }

  #singleQuoted(): string {
    const close = this.#source.indexOf("'", this.#at);
    if (close < 0) throw invalid('unexpected end of statement while looking for matching single-quote');
    const text = this.#source.slice(this.#at, close);
    this.#at = close + 1;
    return this.#budget.take(this.#options.keepsQuotes === true ? `'${text}'` : text);
  }

  #doubleQuoted(keepsEscapes: boolean, depth: number): string {
    const quote = this.#options.keepsQuotes === true ? '"' : '';
    let text = quote;
    while (this.#at < this.#source.length) {
      const character = this.#next();
      if (character === '"') return text + quote;
      if (character === '$') text += this.#variable(depth);
      else if (character !== this.#escape) text += character;
      else if (this.#at < this.#source.length) {
        // In quotes only what would mean something can be escaped; before anything else the character is one itself.
        if (keepsEscapes) text += character;
        text += ['"', '$', this.#escape].includes(this.#peek()) ? this.#next() : character;
      }
      this.#budget.spend(1);
    }
    throw invalid('unexpected end of statement while looking for matching double-quote');
  }

  /** Behind a `<`: blanks between `<<` and a name belong to the word. */
  #maybeHeredoc(): string {
    if (this.#peek() !== '<') return '<';
    const start = this.#at++;
    while (['\t', '\r', ' '].includes(this.#peek())) this.#at++;
    return `<${this.#source.slice(start, this.#at)}`;
  }

  /** Behind a `$`. */
  #variable(depth: number): string {
    if (this.#peek() !== '{') {
      const name = this.#name();
      if (name === '') return '$';
      return this.#lookUp(name) ?? (this.#options.keepsUnset === true ? `$${name}` : '');
    }
    this.#at++;
    if (this.#at >= this.#source.length) throw invalid("syntax error: missing '}'");
    if (['{', '}', ':'].includes(this.#peek())) throw invalid('syntax error: bad substitution');
    const name = this.#name();
    if (this.#at >= this.#source.length) throw invalid("syntax error: missing '}'");
    const modifier = this.#next();
    if (modifier === '}') return this.#lookUp(name) ?? (this.#options.keepsUnset === true ? `\${${name}}` : '');
    if (modifier === '/') return this.#replaced(name, depth);
    return this.#modified(name, modifier, depth);
  }

  #modified(name: string, first: string, depth: number): string {
    const emptyIsUnset = first === ':';
    if (emptyIsUnset && this.#at >= this.#source.length) throw invalid("syntax error: missing '}'");
    const modifier = emptyIsUnset ? this.#next() : first;
    const written = emptyIsUnset ? `:${modifier}` : modifier;
    const isPattern = modifier === '#' || modifier === '%';
    if (!'-+?#%'.includes(modifier) || (isPattern && emptyIsUnset)) {
      throw invalid(`unsupported modifier (${written}) in substitution`);
    }
    const { text: word } = this.until('}', isPattern, depth + 1);
    const value = this.#lookUp(name);
    if (value === undefined && this.#options.keepsUnset === true) return `\${${name}${written}${word}}`;
    if (isPattern) {
      const longest = word.startsWith(modifier);
      const trim = modifier === '#' ? withoutPrefix : withoutSuffix;
      return this.#budget.take(trim(value ?? '', longest ? word.slice(1) : word, longest, this.#budget));
    }
    const counts = value !== undefined && !(emptyIsUnset && value === '');
    if (modifier === '+') return this.#budget.take(counts ? word : '');
    if (counts) return value;
    if (modifier === '-') return this.#budget.take(word);
    const complaint = value === undefined ? 'is not allowed to be unset' : 'is not allowed to be empty';
    throw invalid(`${name}: ${word === '' ? complaint : word}`);
  }

  /** Behind `${NAME/`. */
  #replaced(name: string, depth: number): string {
    const all = this.#peek() === '/';
    if (all) this.#at++;
    const { text: pattern } = this.until('/', true, depth + 1);
    const { text: by } = this.until('}', true, depth + 1);
    const value = this.#lookUp(name);
    if (value === undefined && this.#options.keepsUnset === true) return `\${${name}/${pattern}/${by}}`;
    return this.#budget.take(replaceMatches(value ?? '', pattern, by, all, this.#budget));
  }

  #lookUp(name: string): string | undefined {
    const value = this.#variables.get(name);
    (value === undefined ? this.missing : this.used).add(name);
    return value === undefined ? undefined : this.#budget.take(value);
  }

  /** A name, one of the shell's special parameters, or nothing. */
  #name(): string {
    const start = this.#at;
    const first = this.#peek();
    if (/\p{Nd}/u.test(first)) {
      while (/^\p{Nd}$/u.test(this.#peek())) this.#at++;
    } else if (first !== '' && '@*#?-$!'.includes(first)) this.#at++;
    else {
      while (this.#at < this.#source.length) {
        const character = String.fromCodePoint(this.#source.codePointAt(this.#at) as number);
        if (!/^[\p{L}\p{Nd}_]$/u.test(character)) break;
        this.#at += character.length;
      }
    }
    return this.#source.slice(start, this.#at);
  }
}
