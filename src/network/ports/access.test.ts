import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatFrom, parseFrom } from './access.ts';

test('clients are named by prefixes; what another one contains is left out', () => {
  assert.deepEqual(formatFrom(parseFrom(['10.1.2.3', '10.0.0.0/8', '10.0.0.0/8', 'fd00::1/8', '192.0.2.1'])), [
    '10.0.0.0/8',
    'fd00::/8',
    '192.0.2.1/32',
  ]);
  assert.deepEqual(parseFrom([]), []);
});

test('what is no prefix is refused by name', () => {
  for (const text of ['', 'here', '10.0.0.0/33', '10.0.0/8', '1.2.3.4/-1', 'fd00::/129']) {
    assert.throws(() => parseFrom([text]), { code: 'invalid', message: /^invalid from=/ }, text);
  }
  assert.throws(() => parseFrom(Array.from({ length: 257 }, () => '10.0.0.1')), { message: /at most 256/ });
});
