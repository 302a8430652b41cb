import type { FlagSet } from './types.ts';

/** The lines that help shows for a set of flags, wrapped to `width` columns. */
export function describeFlags(flags: FlagSet, width = 79): string {
  const rows = Object.entries(flags)
    .filter(([, flag]) => !flag.hidden && flag.alias === '')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, flag]) => {
      const short = flag.short === '' ? '    ' : `-${flag.short}, `;
      const type = flag.type.name === '' ? '' : ` ${flag.type.name}`;
      const initial = flag.shownDefault === '' ? '' : ` (default ${flag.shownDefault})`;
      return { left: `  ${short}--${name}${type}`, right: flag.help + initial };
    });
  const column = Math.max(0, ...rows.map(({ left }) => left.length)) + 3;
  return rows
    .map(({ left, right }) => left.padEnd(column) + wrap(right, width - column).join(`\n${' '.repeat(column)}`))
    .join('\n');
}

/** Breaks each line of `text` at blanks so that no line is longer than `width`, where words allow it. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.split(' ')) {
      if (line !== '' && line.length + 1 + word.length > Math.max(width, 24)) {
        lines.push(line);
        line = word;
      } else line = line === '' ? word : `${line} ${word}`;
    }
    lines.push(line);
  }
  return lines;
}
