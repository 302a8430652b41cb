import { alignTabs } from '../../base/text/table.ts';
import { CliError } from '../errors.ts';

/** A column that list formats may name: its header, and its value for one item. */
export interface Column<T> {
  readonly header: string;
  readonly of: (item: T) => unknown;
}

/** What can be said of one kind of item in `--format`. */
export interface RowKind<T> {
  /** The Go type that messages about wrong fields name. */
  readonly goType: string;
  readonly columns: Readonly<Record<string, Column<T>>>;
  /** Methods with arguments, such as `.Label "name"`; not part of the JSON. */
  readonly methods?: (item: T) => Readonly<Record<string, (...args: string[]) => unknown>>;
}

/** The table that is printed when no format is given: names of columns. */
export type TableColumns = readonly string[];

/**
 * The whole output for `--format`: `table` (the default columns), `table TEMPLATE`, `json`, or a Go template a row.
 * @throws CliError `template parsing error: ...`
 */
export async function formatRows<T>(
  format: string,
  kind: RowKind<T>,
  table: TableColumns,
  items: readonly T[],
): Promise<string> {
  if (format === '' || format === 'table') return plainTable(kind, table, items);
  if (format === 'json') return items.map((item) => `${rowJson(kind, item)}\n`).join('');
  const { formatTemplate } = await import('./template.ts');
  return formatTemplate(format, kind, items);
}

/** The default table without the template engine, which costs a millisecond to load. */
function plainTable<T>(kind: RowKind<T>, table: TableColumns, items: readonly T[]): string {
  const columns = table.map((name) => {
    const column = kind.columns[name];
    if (column === undefined) throw new CliError(`no column ${name}`);
    return column;
  });
  const rows = [columns.map(({ header }) => header), ...items.map((item) => columns.map(({ of }) => String(of(item))))];
  return alignTabs(rows.map((cells) => `${cells.join('\t')}\n`).join(''));
}

const htmlEscapes: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
};

/** One row as JSON: keys sorted, and the characters escaped that Go escapes in such an object. */
export function rowJson<T>(kind: RowKind<T>, item: T): string {
  const names = Object.keys(kind.columns).sort();
  const object = Object.fromEntries(names.map((name) => [name, kind.columns[name]?.of(item) ?? null]));
  return JSON.stringify(object).replace(/[<>&\u2028\u2029]/g, (char) => htmlEscapes[char] as string);
}
