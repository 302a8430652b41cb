import { isSpace } from '../spaces.ts';
import { PhysicalLines } from './_physical-lines.ts';
import { type Directive, directiveIn } from './directives.ts';
import { DockerfileError } from './error.ts';
import { linesRange, type Position, type Range, type Source, type Word } from './source.ts';

export type Escape = '\\' | '`';

/** One instruction as it is meant: continuations joined, comments between them left out. */
export interface LogicalLine {
  readonly text: string;
  /** Lines of the file, from 1. */
  readonly first: number;
  readonly last: number;
  /** The comments above it, without `#` and trimmed; an empty comment forgets those before it. */
  readonly comments: readonly string[];
  /** A line of nothing but white space stands among its continuations. */
  readonly hasEmptyContinuation: boolean;
  /** The piece of `text` from one offset to another, and where it stands in the file. */
  word(from: number, to: number): Word;
}

/** Offsets of a logical line and where in the file their characters are: one entry for each line that was joined. */
type Pieces = readonly { readonly at: number; readonly source: number }[];

/** Reads a file instruction by instruction; what belongs to one instruction is the parser's to say (`readUntil`). */
export class LogicalLines {
  readonly directives: Directive[] = [];
  readonly #text: string;
  readonly #lines: PhysicalLines;
  #next = 0;
  #escape: Escape = '\\';
  #directivesMayFollow = true;
  #comments: string[] = [];

  constructor(source: Source) {
    this.#text = source.text;
    this.#lines = new PhysicalLines(source);
    this.#readBehindShebang();
  }

  get escape(): Escape {
    return this.#escape;
  }

  /** The number of the line that was read last. */
  get line(): number {
    return this.#next;
  }

  /** The next instruction; undefined at the end of the file. @throws DockerfileError */
  next(): LogicalLine | undefined {
    while (this.#next < this.#lines.count) {
      const line = this.#next++;
      const { from, to } = this.#content(line);
      if (this.#text[from] === '#') this.#comment(line, from, to);
      else {
        this.#directivesMayFollow = false;
        const end = this.#continuation(from, to);
        if (end !== undefined || from < to) return this.#join(line, from, end ?? to, end !== undefined);
      }
    }
    return undefined;
  }

  /**
   * The lines that follow, with their ends, up to one that is the terminator, which is passed over.
   * @param stripTabs tabs before the terminator do not count
   * @returns undefined when the file ends before
   */
  readUntil(terminator: string, stripTabs: boolean): (Word & { readonly end: Position }) | undefined {
    const first = this.#next;
    while (this.#next < this.#lines.count) {
      const line = this.#next++;
      const end = this.#lines.end(line);
      let start = this.#lines.start(line);
      while (stripTabs && start < end && this.#text[start] === '\t') start++;
      if (end - start !== terminator.length || !this.#text.startsWith(terminator, start)) continue;
      const [from, to] = [this.#lines.start(first), this.#lines.start(line)];
      return { text: this.#text.slice(from, to), range: this.#range(from, to), end: this.#lines.position(end) };
    }
    return undefined;
  }

  /** A line without its end and the white space that it begins with. */
  #content(line: number): { from: number; to: number } {
    const to = this.#lines.end(line);
    let from = this.#lines.start(line);
    while (from < to && isSpace(this.#text.charCodeAt(from))) from++;
    return { from, to };
  }

  #comment(line: number, from: number, to: number): void {
    const comment = this.#text.slice(from + 1, to).trim();
    if (this.#directivesMayFollow && this.#takeDirective(line, comment)) return;
    this.#directivesMayFollow = false;
    if (comment === '') this.#comments = [];
    else this.#comments.push(comment);
  }

  #takeDirective(line: number, comment: string): boolean {
    const directive = directiveIn(comment);
    if (directive === undefined) return false;
    const range = linesRange(line + 1, line + 1);
    if (this.directives.some(({ name }) => name === directive.name)) {
      throw new DockerfileError(`only one ${directive.name} parser directive can be used`, range);
    }
    if (directive.name === 'escape') {
      if (directive.value !== '\\' && directive.value !== '`') {
        throw new DockerfileError(`invalid escape token '${directive.value}' does not match \` or \\`, range);
      }
      this.#escape = directive.value;
    }
    this.directives.push({ ...directive, range });
    return true;
  }

  /** Below a `#!` line only what other programs read counts: the syntax and the checks, not the escape character. */
  #readBehindShebang(): void {
    if (!this.#text.startsWith('#!', this.#lines.start(0))) return;
    for (let line = 1; line < this.#lines.count; line++) {
      const { from, to } = this.#content(line);
      const directive = this.#text[from] === '#' ? directiveIn(this.#text.slice(from + 1, to)) : undefined;
      if (directive === undefined) return;
      const isKnown = this.directives.some(({ name }) => name === directive.name);
      if (directive.name === 'escape' || isKnown) continue;
      this.directives.push({ ...directive, range: linesRange(line + 1, line + 1) });
    }
  }

  /** Where a line's own text ends that goes on in the next one; undefined for a line that does not. */
  #continuation(from: number, to: number): number | undefined {
    let at = to - 1;
    while (at >= from && (this.#text[at] === ' ' || this.#text[at] === '\t')) at--;
    if (at < from || this.#text[at] !== this.#escape) return undefined;
    return at > from && this.#text[at - 1] === this.#escape ? undefined : at;
  }

  #join(line: number, from: number, to: number, goesOn: boolean): LogicalLine {
    const parts = [this.#text.slice(from, to)];
    const pieces = [{ at: 0, source: from }];
    let length = to - from;
    let hasEmptyContinuation = false;
    for (let more = goesOn; more && this.#next < this.#lines.count; ) {
      const next = this.#next++;
      const start = this.#lines.start(next);
      const content = this.#content(next);
      if (this.#text[content.from] === '#' && content.from < content.to) continue;
      if (content.from === content.to) {
        hasEmptyContinuation = true;
        continue;
      }
      const end = this.#continuation(start, content.to);
      more = end !== undefined;
      pieces.push({ at: length, source: start });
      parts.push(this.#text.slice(start, end ?? content.to));
      length += (end ?? content.to) - start;
    }
    const comments = this.#comments;
    this.#comments = [];
    const text = parts.join('');
    return {
      text,
      first: line + 1,
      last: this.#next,
      comments,
      hasEmptyContinuation,
      word: (start, end) => ({ text: text.slice(start, end), range: this.#rangeIn(pieces, start, end) }),
    };
  }

  #range(from: number, to: number): Range {
    return { start: this.#lines.position(from), end: this.#lines.position(to) };
  }

  #rangeIn(pieces: Pieces, from: number, to: number): Range {
    const start = sourceOffset(pieces, from);
    return this.#range(start, to > from ? sourceOffset(pieces, to - 1) + 1 : start);
  }
}

function sourceOffset(pieces: Pieces, offset: number): number {
  let low = 0;
  let high = pieces.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((pieces[middle]?.at ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  const piece = pieces[low] ?? { at: 0, source: 0 };
  return piece.source + offset - piece.at;
}
