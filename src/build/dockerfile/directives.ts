import { isSpace, trimmed } from '../spaces.ts';
import type { Range } from './source.ts';

/** `# syntax=...`, `# escape=...` and `# check=...` at the top of a file. */
export interface Directive {
  readonly name: DirectiveName;
  /** All behind the `=`, trimmed. */
  readonly value: string;
  readonly range: Range;
}

const names = ['syntax', 'escape', 'check'] as const;
export type DirectiveName = (typeof names)[number];

/**
 * The directive in the text of a comment (without its `#`); undefined when it is an ordinary comment. Names may be written
 * in any case.
 */
export function directiveIn(comment: string): { name: DirectiveName; value: string } | undefined {
  const { from, to } = trimmed(comment, 0, comment.length);
  let at = from;
  while (at < to && isNameCharacter(comment.charCodeAt(at), at > from)) at++;
  const written = comment.slice(from, at).toLowerCase();
  const name = names.find((known) => known === written);
  while (at < to && isSpace(comment.charCodeAt(at))) at++;
  if (name === undefined || comment[at] !== '=') return undefined;
  const value = trimmed(comment, at + 1, to);
  return value.from === value.to ? undefined : { name, value: comment.slice(value.from, value.to) };
}

const isNameCharacter = (code: number, later: boolean): boolean =>
  (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a) || (later && code >= 0x30 && code <= 0x39);
