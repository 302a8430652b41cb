import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { globMatches } from './glob.ts';

test('patterns match as those of Go', () => {
  const cases: [pattern: string, text: string, matches: boolean | undefined][] = [
    ['abc', 'abc', true],
    ['*', 'abc', true],
    ['*', 'a/c', false],
    ['*', '', true],
    ['a*', 'a', true],
    ['a*/b', 'abc/b', true],
    ['a*/b', 'a/c/b', false],
    ['a*b*c*d*e*/f', 'axbxcxdxe/f', true],
    ['a*b*c*d*e*/f', 'axbxcxdxexxx/fff', false],
    ['a*b?c*x', 'abxbbxdbxebxczzx', true],
    ['ab[c]', 'abc', true],
    ['ab[b-d]', 'abc', true],
    ['ab[^c]', 'abc', false],
    ['ab[^e-g]', 'abc', true],
    ['a\\*b', 'a*b', true],
    ['a\\*b', 'ab', false],
    ['a?b', 'aüb', true],
    ['a?b', 'a\u{1F600}b', true],
    ['a???b', 'aüb', false],
    ['[α-ω]*', 'α', true],
    ['a?b', 'a/b', false],
    ['[\\]a]', ']', true],
    ['[\\-x]', '-', true],
    ['[x\\-]', 'z', false],
    ['[]a]', ']', undefined],
    ['[-]', '-', undefined],
    ['[x-]', 'x', undefined],
    ['[a-b-c]', 'a', undefined],
    ['[', 'a', undefined],
    ['[^', 'a', undefined],
    ['[^bc', 'a', undefined],
    ['a[', 'ab', undefined],
    ['\\', 'a', undefined],
    ['*x', 'xxx', true],
  ];
  for (const [pattern, text, matches] of cases) assert.equal(globMatches(pattern, text), matches, `${pattern} ${text}`);
});

test('an escaped text matches itself only', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 20 }), fc.string({ maxLength: 20 }), (text, other) => {
      const pattern = Array.from(text)
        .map((character) => `\\${character}`)
        .join('');
      assert.equal(globMatches(pattern, text), true);
      assert.equal(globMatches(pattern, other), text === other);
    }),
  );
});
