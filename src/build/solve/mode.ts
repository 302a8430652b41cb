import type { FileMode } from '../graph/operation.ts';

const who: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: 0o7777 };

/**
 * The bits that a file gets: given, or its own changed as chmod(1) writes it (`u=rwX,go-w`). The wishes were checked when
 * they were read: what is no change says nothing here.
 */
export function changedMode(mode: FileMode | undefined, bits: number, isDirectory: boolean): number {
  if (mode === undefined) return bits;
  if ('bits' in mode) return mode.bits;
  let changed = bits;
  for (const clause of mode.changes.split(',')) {
    const [, whom = '', operator = '', letters = ''] = /^([ugoa]*)([-+=])([rwxXstugo]*)$/.exec(clause) ?? [];
    if (operator === '') continue;
    const mask = Array.from(whom === '' ? 'a' : whom).reduce((sum, letter) => sum | (who[letter] ?? 0), 0);
    const value = Array.from(letters).reduce((sum, letter) => sum | bitsOf(letter, changed, isDirectory), 0) & mask;
    if (operator === '+') changed |= value;
    else if (operator === '-') changed &= ~value;
    else changed = (changed & ~(mask & 0o777)) | value;
  }
  return changed;
}

function bitsOf(letter: string, bits: number, isDirectory: boolean): number {
  switch (letter) {
    case 'r':
      return 0o444;
    case 'w':
      return 0o222;
    case 'x':
      return 0o111;
    case 'X':
      return isDirectory || (bits & 0o111) !== 0 ? 0o111 : 0;
    case 's':
      return 0o6000;
    case 't':
      return 0o1000;
    case 'u':
      return ((bits >> 6) & 7) * 0o111;
    case 'g':
      return ((bits >> 3) & 7) * 0o111;
    default:
      return (bits & 7) * 0o111;
  }
}
