import { invalid } from '../../base/errors.ts';
import { isDecimal } from '../../base/text/digits.ts';

/** Query parameters in order; keys may repeat. */
export type Query = ReadonlyMap<string, readonly string[]>;

/**
 * Splits the part of a URL after `?`; `+` is a space.
 * @throws EngineError `invalid` for a broken percent escape.
 */
export function parseQuery(text: string): Query {
  const query = new Map<string, string[]>();
  if (text === '') return query;
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    const at = pair.indexOf('=');
    const key = unescapeQuery(at < 0 ? pair : pair.slice(0, at));
    const value = at < 0 ? '' : unescapeQuery(pair.slice(at + 1));
    const values = query.get(key);
    if (values === undefined) query.set(key, [value]);
    else values.push(value);
  }
  return query;
}

function unescapeQuery(text: string): string {
  return text.includes('%') || text.includes('+') ? percentDecode(text.replaceAll('+', ' ')) : text;
}

/** @throws EngineError `invalid` for a broken escape or bytes that are not UTF-8. */
export function percentDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(`invalid URL escape in ${JSON.stringify(text.slice(0, 100))}`);
  }
}

/** The first value of `key`; undefined when it is absent. */
export const queryText = (query: Query, key: string): string | undefined => query.get(key)?.[0];

/** Docker's booleans: everything is true but nothing at all, `0`, `no`, `false` and `none`, whatever their case. */
export function queryFlag(query: Query, key: string, absent = false): boolean {
  const value = queryText(query, key);
  if (value === undefined) return absent;
  return !['', '0', 'no', 'false', 'none'].includes(value.trim().toLowerCase());
}

/** A whole number within `range`; undefined when it is absent or empty. @throws EngineError `invalid`, naming `key`. */
export function queryInteger(query: Query, key: string, range: { min: number; max: number }): number | undefined {
  const text = queryText(query, key);
  if (text === undefined || text === '') return undefined;
  const digits = text.startsWith('-') || text.startsWith('+') ? text.slice(1) : text;
  const good = digits.length <= 15 && isDecimal(digits);
  const value = Number(text);
  if (!good || value < range.min || value > range.max) {
    throw invalid(
      `invalid value ${JSON.stringify(text.slice(0, 40))} for ${key}: expected a whole number from ${range.min} to ${range.max}`,
    );
  }
  return value;
}

/** Rows and columns of a resize request. @throws EngineError `invalid`. */
export function queryTerminalSize(query: Query): { rows: number; columns: number } {
  const range = { min: 0, max: 65_535 };
  const rows = queryInteger(query, 'h', range);
  const columns = queryInteger(query, 'w', range);
  if (rows === undefined || columns === undefined)
    throw invalid('invalid resize: h (rows) and w (columns) are required');
  return { rows, columns };
}
