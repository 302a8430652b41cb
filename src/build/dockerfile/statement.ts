import { goQuote } from '../../base/text/quote.ts';
import type { Escape, LogicalLine, LogicalLines } from './_logical-lines.ts';
import { trimmed } from '../spaces.ts';
import {
  blankWords,
  endOfWord,
  jsonWords,
  leadingFlags,
  type Part,
  quotedParts,
  skipBlanks,
  wordOf,
} from './_words.ts';
import { DockerfileError } from './error.ts';
import { type Heredoc, type HeredocStart, heredocsIn } from './heredoc.ts';
import { linesRange, type Position, type Range, type Word } from './source.ts';

/** One instruction as tokens: nothing is known yet of what its words mean, but they are told apart by its own rules. */
export interface Statement {
  readonly keyword: Word;
  readonly flags: readonly Word[];
  readonly args: Arguments;
  readonly heredocs: readonly Heredoc[];
  /** The whole instruction in one line, without heredocs. */
  readonly source: string;
  /** From its first to its last line, with heredocs. */
  readonly range: Range;
  readonly comments: readonly string[];
}

export type Arguments =
  | { readonly form: 'none' }
  /** A JSON array of strings. */
  | { readonly form: 'json'; readonly words: readonly Word[] }
  | { readonly form: 'words'; readonly words: readonly Word[] }
  /** All behind the keyword and its flags, one text. */
  | { readonly form: 'text'; readonly text: Word }
  | { readonly form: 'pairs'; readonly pairs: readonly Pair[] }
  /** HEALTHCHECK: a word and a command behind it. */
  | { readonly form: 'typed'; readonly type: Word; readonly command: Arguments }
  /** ONBUILD. */
  | { readonly form: 'statement'; readonly statement: Statement };

export interface Pair {
  readonly key: Word;
  readonly value: Word;
  /** Written as `key value`, not as `key=value`. */
  readonly isLegacy: boolean;
}

type Reader = (part: Part, escape: Escape) => Arguments;

const none: Arguments = { form: 'none' };
const text: Reader = (part) => (part.from === part.to ? none : { form: 'text', text: wordOf(part) });
const words: Reader = (part) => (part.from === part.to ? none : { form: 'words', words: blankWords(part) });
const jsonOr =
  (other: Reader): Reader =>
  (part, escape) => {
    const parsed = jsonWords(part);
    if (parsed === undefined) return other(part, escape);
    if (parsed !== 'mixed') return { form: 'json', words: parsed };
    const problem = 'when using JSON array syntax, arrays must be comprised of strings only';
    throw new DockerfileError(problem, wordOf(part).range, { expected: '["word", "word", ...]' });
  };
const pairs =
  (keyword: string): Reader =>
  (part, escape) =>
    readPairs(keyword, part, escape);

const readers = new Map<string, Reader>([
  ['ADD', jsonOr(words)],
  ['ARG', readQuoted],
  ['CMD', jsonOr(text)],
  ['COPY', jsonOr(words)],
  ['ENTRYPOINT', jsonOr(text)],
  ['ENV', pairs('ENV')],
  ['EXPOSE', words],
  ['FROM', words],
  ['HEALTHCHECK', readHealth],
  ['LABEL', pairs('LABEL')],
  ['MAINTAINER', text],
  ['RUN', jsonOr(text)],
  ['SHELL', jsonOr(text)],
  ['STOPSIGNAL', text],
  ['UNSET', words],
  ['USER', text],
  ['VOLUME', jsonOr(words)],
  ['WORKDIR', text],
]);

/** The next instruction of a file with its heredocs; undefined at the end. @throws DockerfileError */
export function nextStatement(lines: LogicalLines): { statement: Statement; line: LogicalLine } | undefined {
  const line = lines.next();
  if (line === undefined) return undefined;
  try {
    const read = readStatement(line, 0, lines.escape, true);
    const heredocs = mayHaveHeredocs(read) && line.text.includes('<<') ? heredocsIn(line.text) : [];
    if (heredocs.length === 0) return { statement: read, line };
    let { end } = read.range;
    const complete = heredocs.map((heredoc) => {
      const document = readHeredoc(lines, heredoc, line.first);
      end = document.end;
      return document.heredoc;
    });
    return { statement: { ...read, heredocs: complete, range: { start: read.range.start, end } }, line };
  } catch (error) {
    if (error instanceof DockerfileError) throw error;
    throw new DockerfileError((error as Error).message, linesRange(line.first, lines.line));
  }
}

function readHeredoc(lines: LogicalLines, start: HeredocStart, first: number): { heredoc: Heredoc; end: Position } {
  const content = lines.readUntil(start.name, start.stripTabs);
  if (content !== undefined) {
    return { heredoc: { ...start, content: content.text, range: content.range }, end: content.end };
  }
  throw new DockerfileError('unterminated heredoc', linesRange(first, lines.line), {
    expected: `a line ${JSON.stringify(start.name)}`,
  });
}

function mayHaveHeredocs({ keyword, args }: Statement): boolean {
  if (args.form === 'statement') return mayHaveHeredocs(args.statement);
  return args.form !== 'json' && ['ADD', 'COPY', 'RUN'].includes(keyword.text.toUpperCase());
}

/** @param isOuter ONBUILD reads the instruction behind it, but not if that is an ONBUILD itself */
function readStatement(line: LogicalLine, start: number, escape: Escape, isOuter: boolean): Statement {
  const { from, to } = trimmed(line.text, start, line.text.length);
  const keywordEnd = endOfWord({ line, from, to });
  const keyword = line.word(from, keywordEnd);
  const behind = { line, from: skipBlanks({ line, from: keywordEnd, to }), to };
  const { flags, rest } = leadingFlags(behind, escape);
  const part = { line, ...trimmed(line.text, rest, to) };
  const name = keyword.text.toUpperCase();
  const args = name === 'ONBUILD' ? readTrigger(part, escape, isOuter) : readers.get(name)?.(part, escape);
  const { range } = line.word(from, to);
  const source = line.text.slice(from, to);
  return { keyword, flags, args: args ?? none, heredocs: [], source, range, comments: line.comments };
}

function readTrigger(part: Part, escape: Escape, isOuter: boolean): Arguments {
  if (part.from === part.to || !isOuter) return none;
  return { form: 'statement', statement: { ...readStatement(part.line, part.from, escape, false), comments: [] } };
}

function readQuoted(part: Part, escape: Escape): Arguments {
  const read = quotedParts(part, escape);
  return read.length === 0 ? none : { form: 'words', words: read.map(wordOf) };
}

function readHealth(part: Part, escape: Escape): Arguments {
  if (part.from === part.to) return none;
  const end = endOfWord(part);
  const command = { ...part, from: skipBlanks({ ...part, from: end }) };
  return { form: 'typed', type: wordOf({ ...part, to: end }), command: jsonOr(text)(command, escape) };
}

/** `key=value ...`, or `key value with blanks`: what stands first, a blank or a `=`, decides for the whole instruction. */
function readPairs(keyword: string, part: Part, escape: Escape): Arguments {
  const read = quotedParts(part, escape);
  const [first] = read;
  if (first === undefined) return none;
  if (!wordOf(first).text.includes('=')) return { form: 'pairs', pairs: [legacyPair(keyword, part)] };
  return { form: 'pairs', pairs: read.map(pairIn) };
}

function legacyPair(keyword: string, part: Part): Pair {
  const end = endOfWord(part);
  if (end === part.to) {
    throw new DockerfileError(`${keyword} must have two arguments`, wordOf(part).range, { expected: 'name=value' });
  }
  const value = { ...part, from: skipBlanks({ ...part, from: end }) };
  return { key: wordOf({ ...part, to: end }), value: wordOf(value), isLegacy: true };
}

function pairIn(part: Part): Pair {
  const word = wordOf(part);
  const equals = word.text.indexOf('=');
  if (equals < 0) {
    const problem = `Syntax error - can't find = in ${goQuote(word.text)}. Must be of the form: name=value`;
    throw new DockerfileError(problem, word.range, { expected: 'name=value' });
  }
  return {
    key: wordOf({ ...part, to: part.from + equals }),
    value: wordOf({ ...part, from: part.from + equals + 1 }),
    isLegacy: false,
  };
}
