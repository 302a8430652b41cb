import { invalid } from '../../base/errors.ts';
import { parseDuration } from '../../base/text/duration.ts';
import { parseBinarySize } from '../../base/text/units.ts';

/** How a flag's text becomes its value. `parse` gets the value so far: lists grow. Throws with the words for the user. */
export interface FlagType<T> {
  /** As help shows it; empty for switches. */
  readonly name: string;
  readonly initial: T;
  parse(text: string, current: T): T;
  /** The text meant when the flag is given without a value. */
  readonly bare?: string;
}

export interface Flag<T> {
  readonly type: FlagType<T>;
  readonly short: string;
  readonly help: string;
  /** Shown by help as `(default ...)`, as it is. */
  readonly shownDefault: string;
  readonly hidden: boolean;
  /** The name of the flag that this is another spelling of. */
  readonly alias: string;
}
// Parsers are written for their own T only: a set of flags mixes them.
// oxlint-disable-next-line typescript/no-explicit-any
export type FlagSet = Readonly<Record<string, Flag<any>>>;
export type FlagValues<F extends FlagSet> = { readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never };

interface Extras<T> {
  readonly short?: string;
  readonly initial?: T;
  readonly shown?: string;
  readonly hidden?: boolean;
  readonly alias?: string;
}

/** A flag of any type. */
export function flag<T>(type: FlagType<T>, help: string, extras: Extras<T> = {}): Flag<T> {
  const { short = '', hidden = false, alias = '', shown = '' } = extras;
  const typed = extras.initial === undefined ? type : { ...type, initial: extras.initial };
  return { type: typed, short, help, shownDefault: shown, hidden, alias };
}

const numberError = (kind: string, text: string, what = 'invalid syntax') =>
  invalid(`strconv.${kind}: parsing ${JSON.stringify(text)}: ${what}`);

/** A whole number in Go's grammar: sign, and 0x, 0o, 0b or plain decimal digits. */
export function parseInteger(text: string, least: number, most: number, kind = 'ParseInt'): number {
  const sign = kind === 'ParseInt' && (text[0] === '-' || text[0] === '+') ? text[0] : '';
  const digits = text.slice(sign.length).toLowerCase();
  const isWhole = /^(0x[0-9a-f]+|0b[01]+|0o?[0-7]+|[0-9]+)$/.test(digits);
  if (!isWhole || (/^0[0-9]/.test(digits) && /[89]/.test(digits))) throw numberError(kind, text);
  const value = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  const signed = sign === '-' ? -value : value;
  if (signed < least || signed > most) throw numberError(kind, text, 'value out of range');
  return signed;
}

const truths = new Map(
  Object.entries({ 1: true, t: true, T: true, TRUE: true, true: true, True: true }).concat(
    Object.entries({ 0: false, f: false, F: false, FALSE: false, false: false, False: false }),
  ),
);
/** @throws EngineError `invalid` unless `text` is one of Go's spellings of a boolean. */
export function parseBoolean(text: string): boolean {
  const value = truths.get(text);
  if (value === undefined) throw numberError('ParseBool', text);
  return value;
}

const whole = (name: string, least: number, most: number, kind?: string): FlagType<number> => ({
  name,
  initial: 0,
  parse: (text) => parseInteger(text, least, most, kind),
});
const largest = Number.MAX_SAFE_INTEGER;

export const types = {
  bool: { name: '', initial: false, bare: 'true', parse: parseBoolean } as FlagType<boolean>,
  string: { name: 'string', initial: '', parse: (text) => text } as FlagType<string>,
  int: whole('int', -largest, largest),
  uint16: whole('uint16', 0, 65535, 'ParseUint'),
  uint64: whole('uint', 0, largest, 'ParseUint'),
  /** Nanoseconds. */
  duration: { name: 'duration', initial: 0, parse: (text) => Number(parseDuration(text)) } as FlagType<number>,
  bytes: { name: 'bytes', initial: 0, parse: parseBinarySize } as FlagType<number>,
  /** Like bytes, with -1 for "unlimited". */
  swapBytes: {
    name: 'bytes',
    initial: 0,
    parse: (text) => (text === '-1' ? -1 : parseBinarySize(text)),
  } as FlagType<number>,
};

/** A flag that may be repeated; `check` sees each value and may change it. */
export const listOf = (check: (text: string) => string = (text) => text, name = 'list'): FlagType<string[]> => ({
  name,
  initial: [],
  parse: (text, current) => [...current, check(text)],
});

/** A flag that may be repeated, or have several values with commas between them. */
export const words: FlagType<string[]> = {
  name: 'strings',
  initial: [],
  parse: (text, current) => [...current, ...text.split(',')],
};

/** `name=value`, repeated; `check` sees the whole text. */
export const mapOf = (check: (text: string) => void = () => undefined): FlagType<Map<string, string>> => ({
  name: 'map',
  initial: new Map(),
  parse(text, current) {
    check(text);
    const at = text.indexOf('=');
    return new Map(current).set(at < 0 ? text : text.slice(0, at), at < 0 ? '' : text.slice(at + 1));
  },
});

/** `--filter name=value`, repeated. */
export const filterType: FlagType<Map<string, Set<string>>> = {
  name: 'filter',
  initial: new Map(),
  parse(text, current) {
    if (text === '') return current;
    const at = text.indexOf('=');
    if (at < 0) throw invalid('bad format of filter (expected name=value)');
    const name = text.slice(0, at).trim().toLowerCase();
    const value = text.slice(at + 1).trim();
    return new Map(current).set(name, new Set([...(current.get(name) ?? []), value]));
  },
};

/** Filters as the Engine API takes them in a query; undefined when there are none. */
export function filtersJson(filters: ReadonlyMap<string, ReadonlySet<string>>): string | undefined {
  if (filters.size === 0) return undefined;
  const names = [...filters.keys()].sort();
  const valuesOf = (name: string) => Object.fromEntries([...(filters.get(name) ?? [])].sort().map((v) => [v, true]));
  return JSON.stringify(Object.fromEntries(names.map((name) => [name, valuesOf(name)])));
}

/** Wraps a type so that what `check` throws is the user's message. */
export const parsedBy = <T>(name: string, initial: T, parse: (text: string, current: T) => T): FlagType<T> => ({
  name,
  initial,
  parse,
});
