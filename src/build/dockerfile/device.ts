import { invalid } from '../../base/errors.ts';
import { csvFields } from '../../base/text/csv.ts';
import { booleanOf, keyAndValue } from './_fields.ts';
import { withNearest } from './error.ts';

/** A device that RUN gets, by its CDI name. */
export interface DeviceRequest {
  readonly name: string;
  readonly required: boolean;
}

/** Reads the value of `--device`: `vendor.com/class=name`, `name=...`, `required`. @throws EngineError `invalid` */
export function parseDeviceRequest(flag: string): DeviceRequest {
  let name = '';
  let required = false;
  for (const field of fieldsOf(flag)) {
    const { key, value } = keyAndValue(field);
    if (key === 'required') {
      const read = booleanOf(value ?? 'true');
      if (read === undefined) throw invalid(`invalid value for ${key}: ${value}`);
      required = read;
    } else if (key === 'name' && value !== undefined) {
      if (name !== '') throw invalid(`device name already set to ${name}`);
      name = value;
    } else if (name === '') name = field;
    else if (value === undefined) throw invalid(`invalid field '${field}' must be a key=value pair`);
    else throw invalid(withNearest(`unexpected key '${key}' in '${field}'`, key, ['name', 'required']));
  }
  return { name, required };
}

function fieldsOf(flag: string): string[] {
  try {
    return csvFields(flag);
  } catch (error) {
    throw invalid(`failed to parse csv devices: ${(error as Error).message}`, error);
  }
}
