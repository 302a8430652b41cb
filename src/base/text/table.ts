/** How cells become columns; the defaults are those of Docker's tables. */
export interface TableLayout {
  /** Least width of a column, its padding included. */
  readonly minWidth?: number;
  /** Blanks between the longest cell of a column and the next column. */
  readonly padding?: number;
}

const widthOf = (text: string): number => {
  let width = 0;
  for (const _ of text) width++;
  return width;
};

/**
 * Aligns text whose cells end in tabs, as Go's text/tabwriter does: a column is a run of consecutive lines that have a
 * tab-terminated cell at the same place, and is as wide as its longest cell. What follows a line's last tab is not part
 * of any column.
 */
export function alignTabs(text: string, layout: TableLayout = {}): string {
  const { minWidth = 10, padding = 3 } = layout;
  const lines = text.split('\n').map((line) => line.split('\t'));
  const widths: number[][] = lines.map(() => []);

  const columnFrom = (first: number, end: number, column: number): void => {
    for (let line = first; line < end; line++) {
      if (column >= (lines[line] as string[]).length - 1) continue;
      let last = line;
      let width = minWidth;
      while (last < end && column < (lines[last] as string[]).length - 1) {
        width = Math.max(width, widthOf(lines[last]?.[column] as string) + padding);
        last++;
      }
      for (let at = line; at < last; at++) (widths[at] as number[])[column] = width;
      columnFrom(line, last, column + 1);
      line = last - 1;
    }
  };
  columnFrom(0, lines.length, 0);

  return lines
    .map((cells, line) =>
      cells
        .map((cell, column) => {
          if (column === cells.length - 1) return cell;
          const blanks = ((widths[line] as number[])[column] as number) - widthOf(cell);
          return cell + ' '.repeat(Math.max(blanks, 0));
        })
        .join(''),
    )
    .join('\n');
}
