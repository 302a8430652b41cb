import assert from 'node:assert/strict';
import test from 'node:test';
import { timestampText } from './timestamp.ts';

test('points in time are sent as seconds and nanoseconds', () => {
  const now = 1_700_000_000_500;
  assert.equal(timestampText('1767323045', 'since'), '1767323045');
  assert.equal(timestampText('1767323045.5', 'since'), '1767323045.5');
  assert.equal(timestampText('90s', 'since', now), '1699999910.500000000');
  assert.equal(timestampText('2026-01-02T03:04:05.000000001Z', 'since'), '1767323045.000000001');
  assert.equal(timestampText('2026-01-02T03:04:05+02:00', 'since'), '1767315845.000000000');
  assert.throws(() => timestampText('yesterday', 'since'), {
    message: 'invalid value for "since": failed to parse value as time or duration: "yesterday"',
  });
});
