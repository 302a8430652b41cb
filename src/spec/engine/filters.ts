import { compilePattern, type Pattern } from '../../base/text/pattern.ts';

/**
 * The `filters` of list, prune and event requests: for each key the wanted values. A key matches when one of its
 * values does, the whole when every key does; which keys there are, and how values compare, is the resource's matter.
 */
export type Filters = ReadonlyMap<string, readonly string[]>;

export const noFilters: Filters = new Map();

/** The values of `key`; undefined when the request does not filter by it. */
export function filterValues(filters: Filters, key: string): readonly string[] | undefined {
  const values = filters.get(key);
  return values === undefined || values.length === 0 ? undefined : values;
}

/** True when the request does not filter by `key`, or when `actual` is one of the wanted values. */
export function exactlyMatches(filters: Filters, key: string, actual: string): boolean {
  const values = filterValues(filters, key);
  return values === undefined || values.includes(actual);
}

/**
 * Docker's rule for `label` and `label!`: all values of `label` must match, each `key` (the label exists) or
 * `key=value` (and has exactly this value); what matches all values of `label!` is left out.
 */
export function labelsMatch(filters: Filters, labels: Readonly<Record<string, string>>): boolean {
  const has = (wanted: string): boolean => {
    const at = wanted.indexOf('=');
    const key = at < 0 ? wanted : wanted.slice(0, at);
    return Object.hasOwn(labels, key) && (at < 0 || labels[key] === wanted.slice(at + 1));
  };
  const unwanted = filterValues(filters, 'label!');
  return (filters.get('label') ?? []).every(has) && !(unwanted?.every(has) ?? false);
}

/**
 * The single boolean value of `key` in Docker's grammar (`1`, `true`, `0`, `false`); undefined when it is not there.
 * Returns `'bad'` for anything else: the caller words the error, naming the filter.
 */
export function booleanFilter(filters: Filters, key: string): boolean | undefined | 'bad' {
  const values = filterValues(filters, key);
  if (values === undefined) return undefined;
  const yes = values.includes('1') || values.includes('true');
  const no = values.includes('0') || values.includes('false');
  return yes === no ? 'bad' : yes;
}

/**
 * Docker's rule for names: a value matches when it is the whole text, or a regular expression that finds something in
 * it. Returns the test for one object, given the forms of its name (with and without a leading slash, ...).
 */
export function patternFilter(filters: Filters, key: string): (candidates: readonly string[]) => boolean {
  const values = filterValues(filters, key);
  if (values === undefined) return () => true;
  const tests = values.map((value) => {
    const pattern = tryPattern(value);
    return (text: string) => text === value || (pattern?.test(text) ?? false);
  });
  return (candidates) => candidates.some((text) => tests.some((matches) => matches(text)));
}

/** What is no regular expression can still be a whole name. */
function tryPattern(value: string): Pattern | undefined {
  try {
    return compilePattern(value);
  } catch {
    return undefined;
  }
}
