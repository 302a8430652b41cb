import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { compilePattern } from './pattern.ts';
import { startCpuClock } from '../../../tests/support/cpu.ts';

test('patterns find what the same regular expression finds', () => {
  const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\d', '\\W', '^', '$', '-', '\\.');
  const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
    pattern: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      atom,
      fc.tuple(tie('pattern'), tie('pattern')).map(([left, right]) => left + right),
      fc.tuple(tie('pattern'), tie('pattern')).map(([left, right]) => `(${left}|${right})`),
      fc
        .tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '*?'))
        .map(([inner, operator]) => `(?:${inner})${operator}`),
    ),
  }));
  const text = fc.array(fc.constantFrom('a', 'b', '1', '-', '.'), { maxLength: 8 }).map((chars) => chars.join(''));
  fc.assert(
    fc.property(pattern, text, (source, subject) => {
      fc.pre(source.length < 60);
      assert.equal(compilePattern(source).test(subject), new RegExp(source).test(subject), `${source} on ${subject}`);
    }),
    { numRuns: 500 },
  );
});

test('what people write in filters', () => {
  const cases: [string, string, boolean][] = [
    ['web', '/my-web-1', true],
    ['^/web$', '/web', true],
    ['^/?web$', 'web', true],
    ['^/web$', '/web2', false],
    ['^/(web|db)-[0-9]+$', '/db-12', true],
    ['a|b|c', 'xc', true],
    ['', 'anything', true],
    ['[]a]', ']', true],
    ['[a-]', '-', true],
  ];
  for (const [source, text, expected] of cases) assert.equal(compilePattern(source).test(text), expected, source);
});

test('what is no pattern is refused, and a hostile one costs nothing', () => {
  for (const bad of [
    '(',
    ')',
    '[',
    '*',
    'a**',
    'a{2}',
    '\\',
    '\\1',
    'a)b',
    '[z-a]',
    '('.repeat(60),
    'x'.repeat(1001),
  ]) {
    assert.throws(() => compilePattern(bad), { name: 'EngineError' }, bad);
  }
  const spent = startCpuClock();
  assert.equal(compilePattern('^(a+)+$').test(`${'a'.repeat(5000)}b`), false);
  assert.ok(spent() < 1000);
});
