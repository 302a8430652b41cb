import { invalid } from '../errors.ts';

/**
 * Regular expressions from outside, matched in time linear in the text whatever the pattern: JavaScript's own engine
 * can be made to backtrack for minutes by a filter of thirty characters. The language is the part of RE2 that people
 * write in filters: literals, `.`, `[a-z]`, `[^a-z]`, `\d \w \s` and their opposites, `^`, `$`, `*`, `+`, `?`,
 * groups `( )` and `|`. Counted repetition, look-around and back references are refused.
 */
export interface Pattern {
  /** True when some part of `text` matches, as with Go's MatchString. */
  test(text: string): boolean;
}

/** One step of the machine. `next` and `other` are places in the program. */
type Instruction =
  | { readonly op: 'char'; readonly accepts: (code: number) => boolean }
  | { readonly op: 'start' | 'end' | 'match' }
  | { op: 'split'; next: number; other: number }
  | { op: 'jump'; next: number };

const maxLength = 1000;

/** @throws EngineError `invalid` for what is no pattern, or not in the language. */
export function compilePattern(source: string): Pattern {
  if (source.length > maxLength) throw invalid(`the pattern is longer than ${maxLength} characters`);
  const program = new Compiler(source).compile();
  return { test: (text) => run(program, text) };
}

/** A recursive descent over the pattern that emits instructions as it goes. */
class Compiler {
  readonly #source: string;
  readonly #program: Instruction[] = [];
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
  }

  compile(): readonly Instruction[] {
    this.#alternatives();
    if (this.#at < this.#source.length) throw this.#bad('unexpected )');
    this.#program.push({ op: 'match' });
    return this.#program;
  }

  #alternatives(): void {
    if (++this.#depth > 50) throw this.#bad('groups are nested too deep');
    const from = this.#program.length;
    this.#sequence();
    if (this.#source[this.#at] === '|') {
      this.#at++;
      this.#insert(from, { op: 'split', next: from + 1, other: this.#program.length + 2 });
      const jump: Instruction = { op: 'jump', next: 0 };
      this.#program.push(jump);
      this.#alternatives();
      jump.next = this.#program.length;
    }
    this.#depth--;
  }

  #sequence(): void {
    while (this.#at < this.#source.length && this.#source[this.#at] !== '|' && this.#source[this.#at] !== ')') {
      const from = this.#program.length;
      this.#atom();
      this.#repeat(from);
    }
  }

  /** Wraps what was emitted since `from` as the operator behind it says. */
  #repeat(from: number): void {
    const operator = this.#source[this.#at];
    if (operator === '{') throw this.#bad('counted repetition is not supported');
    if (operator !== '*' && operator !== '+' && operator !== '?') return;
    this.#at++;
    const end = this.#program.length;
    if (operator === '+') this.#program.push({ op: 'split', next: from, other: end + 1 });
    else if (operator === '?') this.#insert(from, { op: 'split', next: from + 1, other: end + 1 });
    else {
      this.#insert(from, { op: 'split', next: from + 1, other: end + 2 });
      this.#program.push({ op: 'jump', next: from });
    }
    // A lazy operator finds the same texts.
    if (this.#source[this.#at] === '?') this.#at++;
    if ('*+?{'.includes(this.#source[this.#at] ?? 'x')) throw this.#bad('invalid nested repetition operator');
  }

  /** Puts an instruction before the ones from `at` on; whose places behind it move. */
  #insert(at: number, instruction: Instruction): void {
    for (const moved of this.#program.slice(at)) {
      if (moved.op === 'split' || moved.op === 'jump') moved.next += moved.next >= at ? 1 : 0;
      if (moved.op === 'split') moved.other += moved.other >= at ? 1 : 0;
    }
    this.#program.splice(at, 0, instruction);
  }

  #atom(): void {
    const char = this.#source[this.#at++] ?? '';
    switch (char) {
      case '(':
        if (this.#source.startsWith('?:', this.#at)) this.#at += 2;
        this.#alternatives();
        if (this.#source[this.#at++] !== ')') throw this.#bad('missing )');
        break;
      case '^':
        this.#program.push({ op: 'start' });
        break;
      case '$':
        this.#program.push({ op: 'end' });
        break;
      case '*':
      case '+':
      case '?':
        throw this.#bad('missing argument to repetition operator');
      case '.':
        this.#char((code) => code !== 10);
        break;
      case '[':
        this.#char(this.#class());
        break;
      case '\\':
        this.#char(this.#escape());
        break;
      default:
        this.#char(exactly(char));
    }
  }

  #char(accepts: (code: number) => boolean): void {
    this.#program.push({ op: 'char', accepts });
  }

  #class(): (code: number) => boolean {
    const negated = this.#source[this.#at] === '^';
    if (negated) this.#at++;
    const members: ((code: number) => boolean)[] = [];
    for (let first = true; first || this.#source[this.#at] !== ']'; first = false) {
      const char = this.#source[this.#at++];
      if (char === undefined) throw this.#bad('missing closing ]');
      const upper = this.#source[this.#at + 1];
      if (char === '\\') members.push(this.#escape());
      else if (this.#source[this.#at] === '-' && upper !== undefined && upper !== ']') {
        if (upper < char || upper === '\\') throw this.#bad('invalid character class range');
        this.#at += 2;
        members.push(between(char, upper));
      } else members.push(exactly(char));
    }
    this.#at++;
    return (code) => members.some((member) => member(code)) !== negated;
  }

  #escape(): (code: number) => boolean {
    const char = this.#source[this.#at++] ?? '';
    const set = escapes.get(char.toLowerCase());
    if (set !== undefined && /[a-zA-Z]/.test(char)) return char === char.toLowerCase() ? set : (code) => !set(code);
    if (char === '' || /[a-zA-Z0-9]/.test(char)) throw this.#bad(`unknown escape \\${char}`);
    return exactly(char);
  }

  #bad(why: string): Error {
    return invalid(`invalid regular expression ${JSON.stringify(this.#source)}: ${why}`);
  }
}

const exactly = (char: string) => (code: number) => code === char.charCodeAt(0);
const between = (low: string, high: string) => (code: number) =>
  code >= low.charCodeAt(0) && code <= high.charCodeAt(0);
const digit = between('0', '9');
const word = (code: number) => digit(code) || between('a', 'z')(code) || between('A', 'Z')(code) || code === 95;
const escapes: ReadonlyMap<string, (code: number) => boolean> = new Map([
  ['d', digit],
  ['w', word],
  ['s', (code: number) => [9, 10, 12, 13, 32].includes(code)],
]);

/** Follows all possible places at once: each character is looked at once for each of them. */
function run(program: readonly Instruction[], text: string): boolean {
  let places = new Set<number>();
  for (let at = 0; at <= text.length; at++) {
    follow(program, places, 0, at, text.length);
    const next = new Set<number>();
    for (const place of places) {
      const instruction = program[place];
      if (instruction?.op === 'match') return true;
      if (instruction?.op === 'char' && at < text.length && instruction.accepts(text.charCodeAt(at))) {
        follow(program, next, place + 1, at + 1, text.length);
      }
    }
    places = next;
  }
  return false;
}

/** Adds `place` and all that is reached from it without taking a character. */
function follow(program: readonly Instruction[], places: Set<number>, place: number, at: number, length: number): void {
  const pending = [place];
  for (let current = pending.pop(); current !== undefined; current = pending.pop()) {
    if (places.has(current)) continue;
    places.add(current);
    const instruction = program[current];
    if (instruction?.op === 'jump') pending.push(instruction.next);
    else if (instruction?.op === 'split') pending.push(instruction.next, instruction.other);
    else if (instruction?.op === 'start' && at === 0) pending.push(current + 1);
    else if (instruction?.op === 'end' && at === length) pending.push(current + 1);
  }
}
