/**
 * What templates work on. JSON values mean what Go's decoder would make of them: a plain object is a
 * `map[string]any`, an array a slice. `Struct` and `Map` carry the two things JSON cannot say: that a field is known
 * to exist (so a wrong name is an error), and that a missing key is no error.
 */
export class Struct {
  /** The Go type that error messages name. */
  readonly typeName: string;
  /** In order of declaration; a function is a method, called when the template names it. */
  readonly fields: ReadonlyMap<string, unknown>;
  /** The JSON text that the function `json` prints for it. */
  readonly json: () => string;

  constructor(typeName: string, fields: ReadonlyMap<string, unknown>, json: () => string) {
    this.typeName = typeName;
    this.fields = fields;
    this.json = json;
  }
}

/** A nil slice or map: empty, but of a known type, so that it prints as `[]` or `map[]`. */
export class TypedNil {
  readonly printed: '[]' | 'map[]';

  constructor(printed: '[]' | 'map[]') {
    this.printed = printed;
  }
}
export const nilSlice = new TypedNil('[]');
export const nilMap = new TypedNil('map[]');

export type PlainObject = Readonly<Record<string, unknown>>;

export const isPlainObject = (value: unknown): value is PlainObject =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Map) &&
  !(value instanceof Struct) &&
  !(value instanceof TypedNil);

/** Go's "is it empty": false, 0, nil, and strings, slices and maps without content; a struct never is. */
export function isTrue(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === 0 || value === 0n || value === '')
    return false;
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Map) return value.size > 0;
  if (value instanceof TypedNil) return false;
  return !isPlainObject(value) || Object.keys(value).length > 0;
}

const byText = (a: [string, unknown], b: [string, unknown]): number => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0);

/** The entries of either kind of map in order of their keys, as Go prints and ranges over them. */
export function sortedEntries(value: ReadonlyMap<unknown, unknown> | PlainObject): [string, unknown][] {
  const entries: [string, unknown][] =
    value instanceof Map ? [...value].map(([key, item]) => [String(key), item]) : Object.entries(value);
  return entries.sort(byText);
}

/** Go's name for the type of a value, as error messages show it. */
export function typeNameOf(value: unknown): string {
  if (value === null || value === undefined) return 'nil';
  if (value instanceof Struct) return value.typeName;
  if (value instanceof TypedNil) return value.printed === '[]' ? '[]interface {}' : 'map[string]interface {}';
  if (Array.isArray(value)) return '[]interface {}';
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float64';
  if (typeof value === 'bigint') return 'int';
  return 'map[string]interface {}';
}

/** A value as Go's `%v` prints it. */
export function printValue(value: unknown): string {
  if (value === null || value === undefined) return '<nil>';
  if (typeof value === 'number') return printNumber(value);
  if (value instanceof TypedNil) return value.printed;
  if (Array.isArray(value)) return `[${value.map(printValue).join(' ')}]`;
  if (value instanceof Struct) return `{${[...value.fields.values()].map(printValue).join(' ')}}`;
  if (value instanceof Map || isPlainObject(value)) {
    return `map[${sortedEntries(value)
      .map(([key, item]) => `${key}:${printValue(item)}`)
      .join(' ')}]`;
  }
  return typeof value === 'string' ? value : `${value as boolean | bigint}`;
}

function printNumber(value: number): string {
  if (Number.isInteger(value)) return Math.abs(value) < 1e21 ? BigInt(value).toString() : goExponent(value);
  return Math.abs(value) < 1e-4 ? goExponent(value) : String(value);
}

function goExponent(value: number): string {
  const [mantissa, power = '0'] = value.toExponential().split('e');
  return `${mantissa}e${power[0]}${power.slice(1).padStart(2, '0')}`;
}

/** JSON as Go's encoder writes it: keys of maps sorted, those of structs in order of declaration. */
export function goJson(value: unknown): string {
  if (value === null || value === undefined || value instanceof TypedNil) return 'null';
  if (value instanceof Struct) return value.json();
  if (Array.isArray(value)) return `[${value.map(goJson).join(',')}]`;
  if (value instanceof Map || isPlainObject(value)) {
    return `{${sortedEntries(value)
      .map(([key, item]) => `${JSON.stringify(key)}:${goJson(item)}`)
      .join(',')}}`;
  }
  if (typeof value === 'bigint') return value.toString();
  return escapeLines(JSON.stringify(value) ?? 'null');
}

const escapeLines = (json: string): string => json.replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
