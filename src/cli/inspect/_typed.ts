import { goJson, isPlainObject, nilMap, nilSlice, Struct } from '../../base/text/template/values.ts';

/**
 * What Go types docker gives to the parts of an object. Templates see the difference: a struct prints without names
 * (`{running true}`) and a wrong field is an error; a map prints `map[k:v]` and a missing key is `<no value>`.
 */
export type Shape = 'any' | StructShape | { readonly map: Shape } | { readonly list: Shape };

export interface StructShape {
  readonly struct: string;
  readonly fields: readonly FieldShape[];
}
interface FieldShape {
  readonly name: string;
  readonly zero: unknown;
  readonly shape: Shape;
}

const zeros: Readonly<Record<string, unknown>> = { '#': 0, '?': false, '@': null, '+': nilSlice };

/**
 * A struct by its fields in order of declaration. A mark tells the zero value of a field that the engine leaves out:
 * `#` number, `?` boolean, `@` nil, `+` a list, none for an empty string. `shapes` says more of fields that are no scalars.
 */
export function struct(name: string, fields: string, shapes: Readonly<Record<string, Shape>> = {}): StructShape {
  return {
    struct: name,
    fields: fields.split(' ').map((field) => {
      const mark = field[0] as string;
      const isMarked = Object.hasOwn(zeros, mark);
      const bare = isMarked ? field.slice(1) : field;
      const shape = shapes[bare] ?? (mark === '+' ? ({ list: 'any' } as const) : 'any');
      return { name: bare, zero: nilOf(shape) ?? (isMarked ? zeros[mark] : ''), shape };
    }),
  };
}

const nilOf = (shape: Shape) =>
  typeof shape === 'string' ? undefined : 'list' in shape ? nilSlice : 'map' in shape ? nilMap : undefined;

/** `value` with structs and maps in the places where `shape` has them. */
export function typedValue(value: unknown, shape: Shape): unknown {
  if (shape === 'any' || value === undefined) return value;
  if (value === null) return nilOf(shape) ?? null;
  if ('list' in shape) return Array.isArray(value) ? value.map((item) => typedValue(item, shape.list)) : value;
  if (!isPlainObject(value)) return value;
  if ('map' in shape) {
    return new Map(Object.entries(value).map(([key, item]) => [key, typedValue(item, shape.map)]));
  }
  const fields = new Map<string, unknown>();
  for (const field of shape.fields) {
    const given = value[field.name];
    fields.set(field.name, given === undefined ? field.zero : typedValue(given, field.shape));
  }
  const json = () =>
    Object.keys(value).map(
      (name) => `${JSON.stringify(name)}:${goJson(fields.has(name) ? fields.get(name) : value[name])}`,
    );
  return new Struct(shape.struct, fields, () => `{${json().join(',')}}`);
}
