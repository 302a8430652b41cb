import { invalid } from '../errors.ts';

/**
 * The fields of one line of comma-separated values: a field in double quotes may have commas, and a quote written twice.
 * @throws EngineError `invalid`, worded as Go's csv reader does.
 */
export function csvFields(text: string): string[] {
  if (text === '') throw invalid('EOF');
  const fields: string[] = [];
  for (let at = 0; ; ) {
    const { field, end } = text[at] === '"' ? quotedField(text, at) : plainField(text, at);
    fields.push(field);
    if (end >= text.length) return fields;
    at = end + 1;
  }
}

interface Field {
  readonly field: string;
  /** Of the comma behind it, or of the text's end. */
  readonly end: number;
}

function plainField(text: string, start: number): Field {
  const comma = text.indexOf(',', start);
  const end = comma < 0 ? text.length : comma;
  const field = text.slice(start, end);
  const quote = field.indexOf('"');
  if (quote >= 0) throw fault(start + quote, 'bare " in non-quoted-field');
  return { field, end };
}

function quotedField(text: string, start: number): Field {
  let field = '';
  for (let at = start + 1; ; ) {
    const quote = text.indexOf('"', at);
    if (quote < 0) throw fault(text.length, 'extraneous or missing " in quoted-field');
    field += text.slice(at, quote);
    at = quote + 1;
    if (text[at] === ',' || at === text.length) return { field, end: at };
    if (text[at] !== '"') throw fault(at, 'extraneous or missing " in quoted-field');
    field += '"';
    at++;
  }
}

const fault = (at: number, what: string): Error => invalid(`parse error on line 1, column ${at + 1}: ${what}`);
