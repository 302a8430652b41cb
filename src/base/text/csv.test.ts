import assert from 'node:assert/strict';
import test from 'node:test';
import { csvFields } from './csv.ts';

test('commas part fields, quotes keep them', () => {
  assert.deepEqual(csvFields('a,b=c,'), ['a', 'b=c', '']);
  assert.deepEqual(csvFields('"a,b","c""d",""'), ['a,b', 'c"d', '']);
});

test('errors name the column', () => {
  assert.throws(() => csvFields(''), { code: 'invalid', message: 'EOF' });
  assert.throws(() => csvFields('a,b"c'), { message: 'parse error on line 1, column 4: bare " in non-quoted-field' });
  for (const [text, column] of [
    ['"a', 3],
    ['"a"b', 4],
  ] as const) {
    const message = `parse error on line 1, column ${column}: extraneous or missing " in quoted-field`;
    assert.throws(() => csvFields(text), { message });
  }
});
