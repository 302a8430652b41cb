import { formatVerbs } from './_printf.ts';
import { goJson, isPlainObject, isTrue, nilMap, nilSlice, printValue, TypedNil, typeNameOf } from './values.ts';

export type TemplateFunction = (...args: unknown[]) => unknown;

/** What a function says is wrong; `plain` leaves out the words `error calling <name>`. */
export class FunctionError extends Error {
  readonly plain: boolean;

  constructor(message: string, plain = false) {
    super(message);
    this.name = 'FunctionError';
    this.plain = plain;
  }
}

const wrongType = (value: unknown, wanted: string): FunctionError =>
  new FunctionError(`wrong type for value; expected ${wanted}; got ${typeNameOf(value)}`, true);

const text = (value: unknown): string => {
  if (typeof value !== 'string') throw wrongType(value, 'string');
  return value;
};
const whole = (value: unknown): number => {
  if (typeof value !== 'number' || !Number.isInteger(value)) throw wrongType(value, 'int');
  return value;
};

/** Checks the number of arguments that a template gives to a function. */
function exactly(name: string, count: number, call: TemplateFunction): TemplateFunction {
  return (...args) => {
    if (args.length !== count) {
      throw new FunctionError(`wrong number of args for ${name}: want ${count} got ${args.length}`, true);
    }
    return call(...args);
  };
}

function index(item: unknown, ...keys: unknown[]): unknown {
  let value = item;
  for (const key of keys) {
    if (value === null || value === undefined) throw new FunctionError('index of untyped nil');
    if (value === nilSlice) throw new FunctionError(`index out of range: ${printValue(key)}`);
    if (value === nilMap) {
      value = '';
      continue;
    }
    if (Array.isArray(value) || typeof value === 'string') {
      if (typeof key !== 'number') throw new FunctionError(`cannot index slice/array with type ${typeNameOf(key)}`);
      if (key < 0 || key >= value.length) throw new FunctionError(`index out of range: ${key}`);
      value = typeof value === 'string' ? value.charCodeAt(key) : (value[key] as unknown);
    } else if (value instanceof Map) {
      value = value.has(key) ? value.get(key) : '';
    } else if (isPlainObject(value)) {
      if (typeof key !== 'string') throw new FunctionError(`value has type ${typeNameOf(key)}; should be string`);
      value = Object.hasOwn(value, key) ? value[key] : null;
    } else throw new FunctionError(`can't index item of type ${typeNameOf(value)}`);
  }
  return value;
}

function slice(item: unknown, ...bounds: unknown[]): unknown {
  if (!Array.isArray(item) && typeof item !== 'string') {
    throw new FunctionError(`can't slice item of type ${typeNameOf(item)}`);
  }
  const [from = 0, to = item.length] = bounds.map(whole);
  for (const bound of [from, to]) {
    if (bound < 0 || bound > item.length) throw new FunctionError(`index out of range: ${bound}`);
  }
  if (from > to) throw new FunctionError(`invalid slice index: ${from} > ${to}`);
  return item.slice(from, to);
}

function length(item: unknown): number {
  if (typeof item === 'string') return new TextEncoder().encode(item).length;
  if (Array.isArray(item)) return item.length;
  if (item instanceof TypedNil) return 0;
  if (item instanceof Map) return item.size;
  if (isPlainObject(item)) return Object.keys(item).length;
  if (item === null || item === undefined) throw new FunctionError('len of nil pointer');
  throw new FunctionError(`len of type ${typeNameOf(item)}`);
}

const isBasic = (value: unknown): value is string | number | boolean | bigint =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint';

function same(a: unknown, b: unknown): boolean {
  if (a === null || a === undefined || b === null || b === undefined) return (a ?? null) === (b ?? null);
  if (!isBasic(a) || !isBasic(b)) throw new FunctionError('non-comparable type');
  if (typeof a !== typeof b) throw new FunctionError('incompatible types for comparison');
  return a === b;
}

function less(a: unknown, b: unknown): boolean {
  if (typeof a !== typeof b) throw new FunctionError('incompatible types for comparison');
  if (typeof a === 'boolean' || !isBasic(a) || !isBasic(b)) throw new FunctionError('invalid type for comparison');
  return a < b;
}

function equals(a: unknown, ...others: unknown[]): boolean {
  if (others.length === 0) throw new FunctionError('missing argument for comparison');
  return others.some((b) => same(a, b));
}

/** The first letter of each word in upper case. */
const title = (value: string): string =>
  value.replace(/(^|[^\p{L}\p{N}_'])(\p{L})/gu, (_, before: string, letter: string) => before + letter.toUpperCase());

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
  '\0': '\uFFFD',
};

/** Operands side by side; blanks only between two that are no strings, as Go's Print does. */
function print(...values: unknown[]): string {
  return values
    .map((value, at) => {
      const blank = at > 0 && typeof value !== 'string' && typeof values[at - 1] !== 'string';
      return (blank ? ' ' : '') + printValue(value);
    })
    .join('');
}

const joined = (values: readonly unknown[]): string => print(...values);

/** Go's own functions and those that Docker adds (json, split, join, title, lower, upper, pad, truncate). */
export const builtins: ReadonlyMap<string, TemplateFunction> = new Map<string, TemplateFunction>([
  ['and', () => undefined],
  ['or', () => undefined],
  ['not', exactly('not', 1, (value) => !isTrue(value))],
  ['len', exactly('len', 1, length)],
  ['index', index as TemplateFunction],
  ['slice', slice as TemplateFunction],
  ['eq', equals as TemplateFunction],
  ['ne', exactly('ne', 2, (a, b) => !same(a, b))],
  ['lt', exactly('lt', 2, less)],
  ['le', exactly('le', 2, (a, b) => less(a, b) || same(a, b))],
  ['gt', exactly('gt', 2, (a, b) => less(b, a))],
  ['ge', exactly('ge', 2, (a, b) => less(b, a) || same(a, b))],
  ['print', print],
  ['println', (...values) => `${values.map(printValue).join(' ')}\n`],
  ['printf', (format, ...values) => formatVerbs(text(format), values)],
  ['html', (...values) => joined(values).replace(/[&<>"'\0]/g, (char) => entities[char] as string)],
  ['js', (...values) => JSON.stringify(joined(values)).slice(1, -1).replaceAll("'", "\\'")],
  ['urlquery', (...values) => encodeURIComponent(joined(values)).replaceAll('%20', '+')],
  ['json', exactly('json', 1, goJson)],
  ['split', exactly('split', 2, (value, separator) => text(value).split(text(separator)))],
  ['join', exactly('join', 2, (values, separator) => list(values).map(text).join(text(separator)))],
  ['title', exactly('title', 1, (value) => title(text(value)))],
  ['lower', exactly('lower', 1, (value) => text(value).toLowerCase())],
  ['upper', exactly('upper', 1, (value) => text(value).toUpperCase())],
  ['pad', exactly('pad', 3, pad)],
  ['truncate', exactly('truncate', 2, (value, size) => text(value).slice(0, whole(size)))],
]);

function list(value: unknown): unknown[] {
  if (value === null || value === undefined || value === nilSlice) return [];
  if (!Array.isArray(value)) throw wrongType(value, '[]string');
  return value;
}

function pad(value: unknown, before: unknown, after: unknown): string {
  const inner = text(value);
  return inner === '' ? '' : ' '.repeat(whole(before)) + inner + ' '.repeat(whole(after));
}
