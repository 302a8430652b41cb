import type { Range, Source } from '../dockerfile/source.ts';

const rule = '-'.repeat(20);

/** The lines of a file that a range is about, marked, with some lines around them, as Docker's clients print them. */
export function excerpt({ name, text }: Source, { start, end }: Range): string {
  const lines = text.split('\n');
  const [first, last] = [start.line, Math.min(Math.max(end.line, start.line), lines.length)];
  if (first > lines.length) return '';
  const around = lineWindow(first, last, lines.length);
  const shown = lines.slice(around.from - 1, around.to).map((line, index) => {
    const number = around.from + index;
    const mark = number >= first && number <= last ? '>>>' : '   ';
    return ` ${String(number).padStart(3)} | ${mark} ${line}`;
  });
  return [`${name}:${first}`, rule, ...shown, rule, ''].join('\n');
}

/** Four lines more around one, two around several, as far as there are so many. */
function lineWindow(first: number, last: number, count: number): { from: number; to: number } {
  let [from, to] = [first, last];
  const wanted = first === last ? 4 : 2;
  for (let added = 0; added < wanted; added++) {
    if (from > 1) {
      from--;
      added++;
    }
    if (to < count) {
      to++;
      added++;
    }
  }
  return { from, to };
}
