import assert from 'node:assert/strict';
import test from 'node:test';
import { booleanFilter, type Filters, labelsMatch, patternFilter } from './filters.ts';

const filters = (given: Record<string, string[]>): Filters => new Map(Object.entries(given));

test('labels: all of label, and not all of label!', () => {
  const labels = { tier: 'front', empty: '' };
  const cases: [Record<string, string[]>, boolean][] = [
    [{}, true],
    [{ label: ['tier', 'empty='] }, true],
    [{ label: ['tier=front', 'tier=back'] }, false],
    [{ label: ['constructor'] }, false],
    [{ 'label!': ['tier'] }, false],
    [{ 'label!': ['tier', 'other'] }, true],
    [{ 'label!': [] }, true],
  ];
  for (const [given, expected] of cases)
    assert.equal(labelsMatch(filters(given), labels), expected, JSON.stringify(given));
});

test('names: whole or by regular expression, in any of their forms', () => {
  const matches = (value: string) => patternFilter(filters({ name: [value] }), 'name')(['/web-1', 'web-1']);
  for (const good of ['web', 'web-1', '^web-1$', '^/web', 'w.b-[0-9]']) assert.ok(matches(good), good);
  for (const bad of ['^eb', 'web-2', '(', 'web-1{1}']) assert.ok(!matches(bad), bad);
  assert.ok(patternFilter(filters({}), 'name')([]));
  assert.ok(patternFilter(filters({ name: ['a('] }), 'name')(['a(']));
});

test('booleans of filters', () => {
  const read = (...values: string[]) => booleanFilter(filters({ dangling: values }), 'dangling');
  assert.deepEqual([read('1'), read('true'), read('0'), read('false')], [true, true, false, false]);
  assert.deepEqual([read(), read('yes'), read('1', '0')], [undefined, 'bad', 'bad']);
});
