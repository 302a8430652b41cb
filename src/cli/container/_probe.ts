import { evaluate, parse } from '../../base/text/template/evaluate.ts';
import { Struct } from '../../base/text/template/values.ts';
import { orTemplateError } from '../format/template.ts';
import { containerRows } from './columns.ts';

/** Runs a template on an empty container and tells which fields it asked for, so that sizes are computed only then. */
export function probeFields(format: string): ReadonlySet<string> {
  const used = new Set<string>();
  const kind = containerRows(true);
  const fields = new Map<string, unknown>();
  for (const name of Object.keys(kind.columns)) {
    fields.set(name, () => {
      used.add(name);
      return '';
    });
  }
  fields.set('Label', () => '');
  const template = orTemplateError(() => parse(format), 'failed to parse template');
  const empty = new Struct(kind.goType, fields, () => {
    // `json` shows every field.
    used.add('Size');
    return '{}';
  });
  orTemplateError(() => evaluate(template, empty), 'failed to execute template');
  return used;
}
