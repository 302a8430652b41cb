import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { DetachMatcher, parseDetachKeys } from './detach-keys.ts';

test('detach sequences are read as docker reads them', () => {
  assert.deepEqual(parseDetachKeys(undefined), [16, 17]);
  assert.deepEqual(parseDetachKeys(''), [16, 17]);
  assert.deepEqual(
    parseDetachKeys('ctrl-a,a,ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_,Z'),
    [1, 97, 0, 27, 28, 29, 30, 31, 90],
  );
  for (const bad of ['ctrl-A', 'ctrl-', 'shift-a', 'a,', 'ctrl-aa', 'ä']) {
    assert.throws(() => parseDetachKeys(bad), /Invalid escape keys/, bad);
  }
});

const feedAll = (keys: readonly number[], chunks: readonly Uint8Array[]) => {
  const matcher = new DetachMatcher(keys);
  const pass: number[] = [];
  for (const chunk of chunks) {
    const result = matcher.feed(chunk);
    pass.push(...result.pass);
    if (result.detached) return { pass, detached: true };
  }
  return { pass, detached: false };
};

test('input without the sequence passes whole, wherever it is cut; only an unfinished sequence is held back', () => {
  const bytes = fc.array(fc.constantFrom(16, 17, 97), { maxLength: 40 });
  fc.assert(
    fc.property(bytes, fc.nat(40), (input, cut) => {
      const at = input.findIndex((byte, index) => byte === 16 && input[index + 1] === 17);
      const chunks = [Uint8Array.from(input.slice(0, cut)), Uint8Array.from(input.slice(cut))];
      const { pass, detached } = feedAll([16, 17], chunks);
      assert.equal(detached, at >= 0);
      const expected = at >= 0 ? input.slice(0, at) : input.at(-1) === 16 ? input.slice(0, -1) : input;
      assert.deepEqual(pass, expected);
    }),
  );
});
