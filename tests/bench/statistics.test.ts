import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ratioOf, summarize } from './statistics.ts';

test('sums up an odd and an even number of values', () => {
  assert.deepEqual(summarize([3, 1, 2]), { count: 3, least: 1, median: 2, quartiles: [1.5, 2.5] });
  assert.equal(summarize([4, 1, 2, 3]).median, 2.5);
  assert.throws(() => summarize([]), /nothing was measured/);
});

test('a ratio is that of the medians, its spread that of the pairs', () => {
  const ratio = ratioOf([1, 2, 3], [2, 4, 12]);
  assert.equal(ratio.median, 0.5);
  assert.equal(ratio.least, 0.25);
  assert.equal(ratio.count, 3);
});
