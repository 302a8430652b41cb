import { expand } from '../expand/expand.ts';
import { noVariables } from '../expand/variables.ts';
import { isSpace } from '../spaces.ts';
import type { Range } from './source.ts';

/** `<<NAME` and the lines up to one that is `NAME`. */
export interface Heredoc {
  readonly name: string;
  /** The number before `<<`; 0 when there is none. */
  readonly descriptor: number;
  /** No part of the name is quoted: variables in the text are replaced, where an instruction does that. */
  readonly expands: boolean;
  /** `<<-`: tabs at the beginning of lines do not count. */
  readonly stripTabs: boolean;
  /** The lines as they are in the file, with their ends and their tabs. */
  readonly content: string;
  readonly range: Range;
}

export type HeredocStart = Omit<Heredoc, 'content' | 'range'>;

/** The heredocs that an instruction begins; none in a text whose quotes do not match. */
export function heredocsIn(text: string): HeredocStart[] {
  try {
    const { words } = expand(text, noVariables, { keepsQuotes: true, keepsEscapes: true, keepsUnset: true });
    return words.flatMap((word) => heredocStart(word) ?? []);
  } catch {
    return [];
  }
}

/** What a word like `<<NAME`, `3<<-"NAME"` begins; undefined for any other word. */
export function heredocStart(word: string): HeredocStart | undefined {
  let at = 0;
  while (isDigit(word.charCodeAt(at))) at++;
  const descriptor = at === 0 ? 0 : Number(word.slice(0, at));
  if (!word.startsWith('<<', at)) return undefined;
  at += 2;
  const stripTabs = word[at] === '-';
  if (stripTabs) at++;
  while (isSpace(word.charCodeAt(at))) at++;
  const written = word.slice(at);
  if (written === '' || written.includes('<')) return undefined;
  return nameOf(written, descriptor, stripTabs);
}

function nameOf(written: string, descriptor: number, stripTabs: boolean): HeredocStart | undefined {
  try {
    const { words } = expand(written, noVariables, { keepsUnset: true });
    const [name] = words;
    if (name === undefined || words.length !== 1) return undefined;
    const [raw = ''] = expand(written, noVariables, { keepsUnset: true, keepsQuotes: true }).words;
    return { name, descriptor, stripTabs, expands: quotesIn(name) === quotesIn(raw) };
  } catch {
    return undefined;
  }
}

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;

function quotesIn(text: string): number {
  let count = 0;
  for (const character of text) if (character === '"' || character === "'") count++;
  return count;
}

/** The text of a heredoc without the tabs at the beginning of its lines. */
export const withoutTabs = (content: string): string => content.replace(/^\t+/gm, '');
