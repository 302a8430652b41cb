import { cleanPath } from '../ignore/clean-path.ts';
import { type Escape, LogicalLines } from './_logical-lines.ts';
import { DockerfileError } from './error.ts';
import { limits, linesRange, type Range, type Source } from './source.ts';
import { nextStatement } from './statement.ts';
import { syntaxOf } from './syntax.ts';

/** Files that one file includes, and those include. */
const mostFiles = 100;
const deepest = 10;
const expected = 'INCLUDE and the path of a file in the folder of the Dockerfile';

/** A line of an assembled file: which file it is of, and its number there. */
interface Origin {
  readonly file: string;
  readonly line: number;
}

/** A Dockerfile with the files that it includes in the places of their INCLUDE lines. */
export interface Assembled {
  readonly text: string;
  /** Of each line of `text`. */
  readonly origins: readonly Origin[];
}

/** Files by their paths, relative to the folder of the Dockerfile; undefined for one that was not asked for yet. */
export type IncludedText = (path: string) => string | undefined;

/**
 * Puts a Dockerfile in Gantry's syntax together with what it includes (`INCLUDE PATH`). Gives the paths of files that have to
 * be known first, when there are such. Undefined for a file that includes nothing. @throws DockerfileError at the line of the
 * file in question: `inFile` says which
 */
export function assemble(source: Source, textOf: IncludedText): Assembled | readonly string[] | undefined {
  if (!mayInclude(source.text)) return undefined;
  const lines = new LogicalLines(source);
  const first = includesIn(source, lines);
  if (first.length === 0 || !syntaxOf(lines.directives).hasOwnInstructions) return undefined;
  const assembly = new Assembly(textOf, lines.escape);
  assembly.add(source, first, []);
  return assembly.missing.size > 0 ? [...assembly.missing] : { text: assembly.text(), origins: assembly.origins };
}

/** A fault in an included file. */
export class IncludeError extends DockerfileError {
  readonly file: string;

  constructor(file: string, problem: string, range: Range) {
    super(problem, range, { expected });
    this.file = file;
  }
}

const mayInclude = (text: string): boolean => /^\s*include\s/im.test(text);

interface Include {
  readonly path: string;
  readonly range: Range;
}

function includesIn(source: Source, lines: LogicalLines): Include[] {
  const found: Include[] = [];
  for (let read = nextStatement(lines); read !== undefined; read = nextStatement(lines)) {
    const { keyword, source: written, range } = read.statement;
    if (keyword.text.toUpperCase() !== 'INCLUDE') continue;
    const [, path = '', more] = written.trim().split(/\s+/);
    if (path === '' || more !== undefined) {
      throw new IncludeError(source.name, 'INCLUDE requires exactly one argument', range);
    }
    found.push({ path, range });
  }
  return found;
}

/** Lines as they are put together. */
class Assembly {
  readonly missing = new Set<string>();
  readonly origins: Origin[] = [];
  readonly #textOf: IncludedText;
  readonly #escape: Escape;
  readonly #lines: string[] = [];
  #files = 0;
  #bytes = 0;

  constructor(textOf: IncludedText, escape: Escape) {
    this.#textOf = textOf;
    this.#escape = escape;
  }

  text(): string {
    return `${this.#lines.join('\n')}\n`;
  }

  add({ name, text }: Source, includes: readonly Include[], above: readonly string[]): void {
    const lines = text.split('\n');
    if (lines.at(-1) === '') lines.pop();
    this.#bytes += text.length;
    let next = 0;
    for (const { path, range } of includes) {
      this.#copy(name, lines, next, range.start.line - 1);
      next = range.end.line;
      this.#include(name, path, range, [...above, name]);
    }
    this.#copy(name, lines, next, lines.length);
  }

  #copy(file: string, lines: readonly string[], from: number, to: number): void {
    for (let at = from; at < to; at++) {
      this.#lines.push(lines[at] ?? '');
      this.origins.push({ file, line: at + 1 });
    }
  }

  #include(file: string, written: string, range: Range, above: readonly string[]): void {
    const path = cleanPath(written);
    const refuse = (problem: string): never => {
      throw new IncludeError(file, problem, range);
    };
    if (path.startsWith('/') || path === '.' || path.split('/')[0] === '..' || path.includes('\0')) {
      refuse(`INCLUDE ${written}: it leads out of the folder of the Dockerfile`);
    }
    if (above.includes(path)) refuse(`INCLUDE ${written}: it includes itself: ${[...above, path].join(' -> ')}`);
    if (above.length > deepest || ++this.#files > mostFiles || this.#bytes > limits.fileBytes) {
      refuse(`INCLUDE ${written}: more than ${mostFiles} files, ${deepest} levels or ${limits.fileBytes} bytes`);
    }
    const text = this.#textOf(path);
    if (text === undefined) {
      this.missing.add(path);
      return;
    }
    const source = { name: path, text };
    const lines = new LogicalLines(source);
    const includes = includesIn(source, lines);
    if (lines.escape !== this.#escape) refuse(`INCLUDE ${written}: it has another escape character`);
    this.add(source, includes, above);
  }
}

/** Where lines of an assembled file are: a range that begins in one file and ends in another is that of its beginning. */
export function placeInAssembled({ origins }: Assembled, { start, end }: Range): { file: string; range: Range } {
  const first = origins[Math.min(start.line, origins.length) - 1] ?? { file: '', line: 1 };
  const last = origins[Math.min(end.line, origins.length) - 1];
  const until = last?.file === first.file ? Math.max(last.line, first.line) : first.line;
  return { file: first.file, range: linesRange(first.line, until) };
}
