import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goQuoteCharacter } from './quote.ts';

test('numbers are printed as Go prints characters', () => {
  const printed = [0, 4, 10, 34, 39, 65, 92, 127, 233, 0x110000].map(goQuoteCharacter);
  assert.deepEqual(printed, [
    "'\\x00'",
    "'\\x04'",
    "'\\n'",
    "'\"'",
    "'\\''",
    "'A'",
    "'\\\\'",
    "'\\x7f'",
    "'é'",
    "'\uFFFD'",
  ]);
});
