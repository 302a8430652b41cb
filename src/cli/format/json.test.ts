import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { reformatJson } from './json.ts';

test('indenting is what JSON.stringify does, whatever the form it came in', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(0, 1, 2), (value, given) => {
      const text = JSON.stringify(value, null, given);
      assert.equal(reformatJson(text, '    '), JSON.stringify(value, null, 4));
      assert.equal(reformatJson(text, ''), JSON.stringify(value));
    }),
  );
});

test('numbers stay as they were written', () => {
  assert.equal(reformatJson('[9007199254740993,1.0,1e5]', ''), '[9007199254740993,1.0,1e5]');
});
