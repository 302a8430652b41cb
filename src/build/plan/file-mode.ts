import { invalid } from '../../base/errors.ts';
import type { FileMode } from '../graph/operation.ts';

const mostBits = 0o7777;

/** Reads `--chmod`: octal bits, or changes as chmod(1) takes them (`u+x,go=r`). @throws EngineError `invalid` */
export function parseFileMode(text: string): FileMode {
  if (/^[0-7]{1,10}$/.test(text) && Number.parseInt(text, 8) <= mostBits) return { bits: Number.parseInt(text, 8) };
  if (!/^[0-9]/.test(text) && text.split(',').every(isChange)) return { changes: text };
  throw invalid(`invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`);
}

/** `[ugoa]*` and one or more of an operator with permissions, or with one class to take them from. */
function isChange(text: string): boolean {
  let at = 0;
  while ('ugoa'.includes(text[at] ?? ' ')) at++;
  if (at === text.length) return false;
  while (at < text.length) {
    if (!'+-='.includes(text[at] as string)) return false;
    at++;
    while ('rwxXstugo'.includes(text[at] ?? ' ')) at++;
  }
  return true;
}
