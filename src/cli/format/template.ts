import { evaluate, parse } from '../../base/text/template/evaluate.ts';
import type { Template } from '../../base/text/template/nodes.ts';
import { TemplateError } from '../../base/text/template/nodes.ts';
import { alignTabs } from '../../base/text/table.ts';
import { Struct } from '../../base/text/template/values.ts';
import { CliError } from '../errors.ts';
import { rowJson } from './rows.ts';
import type { RowKind } from './rows.ts';

/** An item as templates see it. */
export function rowStruct<T>(kind: RowKind<T>, item: T): Struct {
  const fields = new Map<string, unknown>();
  for (const [name, column] of Object.entries(kind.columns)) fields.set(name, () => column.of(item));
  for (const [name, method] of Object.entries(kind.methods?.(item) ?? {})) fields.set(name, method);
  return new Struct(kind.goType, fields, () => rowJson(kind, item));
}

/** Functions keep their hands off headers. */
const headerFunctions = new Map<string, (...args: unknown[]) => unknown>(
  ['json', 'title', 'lower', 'upper', 'truncate', 'pad', 'join', 'split'].map((name) => [
    name,
    (...args) => args.find((arg) => typeof arg === 'string') ?? '',
  ]),
);

/** @throws CliError with `what` in front of Go's words. */
export function orTemplateError<T>(work: () => T, what = 'template parsing error'): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof TemplateError) throw new CliError(`${what}: ${error.message}`);
    throw error;
  }
}

/** Rows in the format of a template; with `table ` in front they are aligned below headers. */
export function formatTemplate<T>(format: string, kind: RowKind<T>, items: readonly T[]): string {
  const isTable = format.startsWith('table');
  const source = trimBlanks(isTable ? format.slice('table'.length) : format)
    .replaceAll('\\t', '\t')
    .replaceAll('\\n', '\n');
  const template = orTemplateError(() => parse(source));
  const rows = items.map((item) => `${orTemplateError(() => rowText(template, kind, item))}\n`).join('');
  return isTable ? alignTabs(`${headerText(template, kind)}\n${rows}`) : rows;
}

const rowText = <T>(template: Template, kind: RowKind<T>, item: T): string => evaluate(template, rowStruct(kind, item));

/** The column of `.Label "com.example.some-name"` is headed `some name`. */
const labelHeader = (name: string): string => (name.split('.').at(-1) ?? '').replace(/[-_]/g, ' ');

function headerText<T>(template: Template, kind: RowKind<T>): string {
  const headers = new Map<string, unknown>(Object.entries(kind.columns).map(([name, { header }]) => [name, header]));
  if (kind.methods !== undefined) headers.set('Label', labelHeader);
  try {
    return evaluate(template, new Struct('formatter.SubHeaderContext', headers, () => '{}'), {
      functions: headerFunctions,
    });
  } catch (error) {
    // What a template does with a row may make no sense on its header: then the header ends there, as in docker.
    if (error instanceof TemplateError) return '';
    throw error;
  }
}

function trimBlanks(text: string): string {
  let from = 0;
  let end = text.length;
  while (text[from] === ' ') from++;
  while (end > from && text[end - 1] === ' ') end--;
  return text.slice(from, end);
}
