import { isBlank, isSpace } from '../spaces.ts';
import type { Escape, LogicalLine } from './_logical-lines.ts';
import type { Word } from './source.ts';

/** A part of a logical line, by offsets. */
export interface Part {
  readonly line: LogicalLine;
  readonly from: number;
  readonly to: number;
}

export const wordOf = ({ line, from, to }: Part): Word => line.word(from, to);

/** Words between blanks; quotes mean nothing here. */
export function blankWords({ line, from, to }: Part): Word[] {
  const words: Word[] = [];
  for (let at = from; at < to; ) {
    const end = endOfWord({ line, from: at, to });
    words.push(line.word(at, end));
    at = skipBlanks({ line, from: end, to });
  }
  return words;
}

export function endOfWord({ line, from, to }: Part): number {
  let at = from;
  while (at < to && !isBlank(line.text.charCodeAt(at))) at++;
  return at;
}

export function skipBlanks({ line, from, to }: Part): number {
  let at = from;
  while (at < to && isBlank(line.text.charCodeAt(at))) at++;
  return at;
}

/**
 * Words between white space that is not in quotes; quotes and escapes stay in their text, to be read when variables are
 * replaced. An escape character at the end of the line is dropped.
 */
export function quotedParts({ line, from, to }: Part, escape: Escape): Part[] {
  const { text } = line;
  const words: Part[] = [];
  let start = -1;
  let quote = '';
  let dropped = to;
  for (let at = from; at < to; at++) {
    const character = text.charAt(at);
    if (start < 0) {
      if (isSpace(text.charCodeAt(at))) continue;
      start = at;
    }
    if (quote === '' && isSpace(text.charCodeAt(at))) {
      words.push({ line, from: start, to: at });
      start = -1;
    } else if (character === escape && quote !== "'") {
      if (at + 1 === to) dropped = at;
      else at++;
    } else if (quote !== '') {
      if (character === quote) quote = '';
    } else if (character === '"' || character === "'") quote = character;
  }
  if (start >= 0 && start < dropped) words.push({ line, from: start, to: dropped });
  return words;
}

/**
 * The flags (`--name`, `--name=value`) before the other words, without their quotes and escapes, and the offset of what
 * follows them. A word `--` ends them and is passed over.
 */
export function leadingFlags({ line, from, to }: Part, escape: Escape): { flags: Word[]; rest: number } {
  const { text } = line;
  const flags: Word[] = [];
  for (let at = from; ; ) {
    while (at < to && isSpace(text.charCodeAt(at))) at++;
    if (at >= to || !text.startsWith('--', at) || at + 1 >= to) return { flags, rest: at };
    const start = at;
    const word = unquoted({ line, from: at, to }, escape);
    at = word.end;
    if (word.text === '--') return { flags, rest: at };
    flags.push({ text: word.text, range: line.word(start, at).range });
  }
}

function unquoted({ line: { text }, from, to }: Part, escape: Escape): { text: string; end: number } {
  let word = '';
  let quote = '';
  let at = from;
  for (; at < to; at++) {
    const character = text.charAt(at);
    if (character === escape) {
      // At the end of the line there is nothing to escape.
      if (at + 1 < to) word += text.charAt(++at);
    } else if (character === quote) quote = '';
    else if (quote !== '') word += character;
    else if (character === '"' || character === "'") quote = character;
    else if (isSpace(text.charCodeAt(at))) break;
    else word += character;
  }
  return { text: word, end: at };
}

/** A JSON array of strings as words; undefined for what is no JSON array, `mixed` for one of other things. */
export function jsonWords({ line, from, to }: Part): Word[] | 'mixed' | undefined {
  let at = from;
  while (at < to && isSpace(line.text.charCodeAt(at))) at++;
  if (line.text[at] !== '[') return undefined;
  let values: unknown;
  try {
    values = JSON.parse(line.text.slice(at, to));
  } catch {
    return undefined;
  }
  if (!Array.isArray(values) || !values.every((value): value is string => typeof value === 'string')) return 'mixed';
  return values.map((value) => {
    const start = line.text.indexOf('"', at);
    at = endOfString(line.text, start);
    return { text: value.toWellFormed(), range: line.word(start, at).range };
  });
}

/** The offset behind the closing quote of a JSON string. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}
