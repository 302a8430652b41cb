import { csvFields } from '../../base/text/csv.ts';
import { invalid } from '../../base/errors.ts';

/** What `type=image,name=x` says: the type, and everything else. */
export interface TypedFields {
  readonly type: string;
  readonly fields: ReadonlyMap<string, string>;
}

/** `key=value` with commas between; keys in lower case. @throws EngineError `invalid` */
export function keyValues(flag: string, text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const field of csvFields(text)) {
    const at = field.indexOf('=');
    if (at < 0) throw invalid(`--${flag}: invalid field ${JSON.stringify(field)}: expected KEY=VALUE`);
    fields.set(field.slice(0, at).trim().toLowerCase(), field.slice(at + 1));
  }
  return fields;
}

/** The same with a `type` among them. @throws EngineError `invalid` */
export function typedFields(flag: string, text: string): TypedFields {
  const fields = keyValues(flag, text);
  const type = fields.get('type') ?? '';
  if (type === '') throw invalid(`--${flag}: ${JSON.stringify(text)}: expected type=TYPE[,KEY=VALUE...]`);
  fields.delete('type');
  return { type, fields };
}
