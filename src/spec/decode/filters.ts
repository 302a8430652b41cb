import { invalid } from '../../base/errors.ts';
import type { Filters } from '../engine/filters.ts';
import { parseJson } from './json.ts';

/** Longest `filters` parameter, in characters. */
const maxLength = 64 * 1024;

const bad = (): never => {
  throw invalid('invalid filter');
};

/**
 * The `filters` query parameter: `{"label":{"a=b":true}}`, or the older form `{"label":["a=b"]}`. A value mapped to
 * false is as good as absent.
 * @throws EngineError `invalid`, also for keys outside `known`, when it is given.
 */
export function decodeFilters(text: string | undefined, known?: readonly string[]): Filters {
  if (text === undefined || text === '') return new Map();
  if (text.length > maxLength) throw invalid(`invalid filter: longer than ${maxLength} characters`);
  const value = parse(text);
  if (value === null) return new Map();
  if (typeof value !== 'object' || Array.isArray(value)) return bad();
  const filters = new Map<string, readonly string[]>();
  for (const [key, wanted] of Object.entries(value)) {
    if (known !== undefined && !known.includes(key)) throw invalid(`invalid filter '${key}'`);
    filters.set(key, filterWords(wanted));
  }
  return filters;
}

/** Docker names no position in a broken filter. */
function parse(text: string): unknown {
  try {
    return parseJson(new TextEncoder().encode(text));
  } catch {
    return bad();
  }
}

function filterWords(wanted: unknown): string[] {
  if (wanted === null) return [];
  if (Array.isArray(wanted)) {
    return wanted.map((word: unknown) => (typeof word === 'string' ? word : bad()));
  }
  if (typeof wanted !== 'object') return bad();
  return Object.entries(wanted as object)
    .filter(([, on]: [string, unknown]) => (typeof on === 'boolean' ? on : bad()))
    .map(([word]) => word);
}
