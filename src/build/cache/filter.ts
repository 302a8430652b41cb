import { invalid } from '../../base/errors.ts';
import { compilePattern } from '../../base/text/pattern.ts';
import type { CacheRecord } from '../control/ports.ts';

type Test = (record: CacheRecord) => boolean;

/** Of all filters of one question. */
const mostText = 64 << 10;

const texts: Readonly<Record<string, (record: CacheRecord) => readonly string[]>> = {
  id: ({ id }) => [id],
  description: ({ description }) => (description === '' ? [] : [description]),
  type: ({ type }) => [type],
  parents: ({ parents }) => parents,
  parent: ({ parents }) => parents,
};
const flags: Readonly<Record<string, Test>> = {
  inuse: ({ inUse }) => inUse,
  shared: ({ shared }) => shared,
  private: ({ shared }) => !shared,
  mutable: ({ mutable }) => mutable,
  immutable: ({ mutable }) => !mutable,
};

/**
 * Records that one of the filters takes (containerd's filters, as BuildKit has them of its cache): each is a list of
 * conditions, separated by commas. `id`, `description`, `type` and `parents` are compared (`==`, `!=`, `~=` a pattern) or
 * asked whether there is any; `inuse`, `shared`, `private`, `mutable` and `immutable` are so or not (`inuse`, `inuse==false`).
 * @throws EngineError `invalid`
 */
export function cacheFilter(filters: readonly string[]): Test {
  if (filters.reduce((sum, filter) => sum + filter.length, 0) > mostText) {
    throw invalid(`filters of the build cache have more than ${mostText} characters`);
  }
  const lists = filters.map((filter) => conditionsOf(filter));
  if (lists.length === 0) return () => true;
  return (record) => lists.some((list) => list.every((test) => test(record)));
}

function conditionsOf(filter: string): Test[] {
  const tests: Test[] = [];
  for (let at = 0; at < filter.length; ) {
    const { test, end } = conditionAt(filter, at);
    tests.push(test);
    at = end;
    if (at < filter.length && filter[at] !== ',') throw malformed(filter, at);
    at++;
  }
  return tests;
}

const malformed = (filter: string, at: number): Error =>
  invalid(
    `invalid filter of the build cache ${JSON.stringify(filter.slice(0, 200))}: not understood at character ${at + 1}`,
  );

const isNameCharacter = (char: string): boolean => /^[A-Za-z0-9_.-]$/.test(char);

function conditionAt(filter: string, from: number): { readonly test: Test; readonly end: number } {
  let at = from;
  while (at < filter.length && isNameCharacter(filter.charAt(at))) at++;
  const name = filter.slice(from, at);
  if (name === '') throw malformed(filter, from);
  const operator = ['==', '!=', '~=', '='].find((one) => filter.startsWith(one, at));
  if (operator === undefined) return { test: presence(name), end: at };
  const { value, end } = valueAt(filter, at + operator.length);
  return { test: comparison(name, operator, value), end };
}

/** Up to the next comma, or in quotes. */
function valueAt(filter: string, from: number): { readonly value: string; readonly end: number } {
  if (filter[from] !== '"') {
    const comma = filter.indexOf(',', from);
    const end = comma < 0 ? filter.length : comma;
    return { value: filter.slice(from, end), end };
  }
  let value = '';
  for (let at = from + 1; at < filter.length; at++) {
    if (filter[at] === '"') return { value, end: at + 1 };
    if (filter[at] === '\\') at++;
    value += filter.charAt(at);
  }
  throw malformed(filter, from);
}

const known = (): string => [...Object.keys(texts), ...Object.keys(flags)].sort().join(', ');
const unknown = (name: string): Error =>
  invalid(`invalid filter '${name.slice(0, 100)}' of the build cache: expected one of ${known()}`);

function presence(name: string): Test {
  const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
  if (flag !== undefined) return flag;
  const text = Object.hasOwn(texts, name) ? texts[name] : undefined;
  if (text === undefined) throw unknown(name);
  return (record) => text(record).length > 0;
}

const yes = ['', '1', 't', 'T', 'true', 'TRUE', 'True'];
const no = ['0', 'f', 'F', 'false', 'FALSE', 'False'];

function comparison(name: string, operator: string, value: string): Test {
  const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
  if (flag !== undefined) {
    if (operator === '~=' || ![...yes, ...no].includes(value)) {
      throw invalid(
        `invalid filter '${name}${operator}${value.slice(0, 100)}' of the build cache: expected true or false`,
      );
    }
    const wanted = yes.includes(value) === (operator !== '!=');
    return (record) => flag(record) === wanted;
  }
  const text = Object.hasOwn(texts, name) ? texts[name] : undefined;
  if (text === undefined) throw unknown(name);
  if (operator === '~=') {
    const pattern = compilePattern(value);
    return (record) => text(record).some((one) => pattern.test(one));
  }
  return (record) => text(record).includes(value) === (operator !== '!=');
}
