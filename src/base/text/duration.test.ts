import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { formatDuration, humanDuration, parseDuration } from './duration.ts';

test('durations are read and printed as Go does', () => {
  assert.equal(parseDuration('1h2m3.5s'), 3_723_500_000_000n);
  assert.equal(parseDuration('-1.5ms'), -1_500_000n);
  assert.equal(formatDuration(3_723_500_000_000n), '1h2m3.5s');
  assert.equal(formatDuration(1_500_000n), '1.5ms');
  assert.throws(() => parseDuration('5'), /time: missing unit in duration "5"/);
  assert.throws(() => parseDuration('1x'), /time: unknown unit "x" in duration "1x"/);
  assert.throws(() => parseDuration(''), /time: invalid duration ""/);
});

test('what was printed is read back unchanged', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }), (ns) => parseDuration(formatDuration(ns)) === ns),
  );
});

test('human durations round as Docker does', () => {
  const cases: [number, string][] = [
    [400, 'Less than a second'],
    [1000, '1 second'],
    [59_999, '59 seconds'],
    [60_000, 'About a minute'],
    [3_599_000, '59 minutes'],
    [3_600_000, 'About an hour'],
    [47 * 3_600_000, '47 hours'],
    [48 * 3_600_000, '2 days'],
    [14 * 86_400_000, '2 weeks'],
    [60 * 86_400_000, '2 months'],
    [800 * 86_400_000, '2 years'],
  ];
  for (const [milliseconds, words] of cases) assert.equal(humanDuration(milliseconds), words);
});
