import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { messageOf } from '../../base/errors.ts';
import { startCpuClock } from '../../../tests/support/cpu.ts';
import { goldenTests } from '../../../tests/support/golden.ts';
import { Budget } from './budget.ts';
import { expand } from './expand.ts';
import { noVariables, variablesOf } from './variables.ts';

const variables = variablesOf(
  new Map([
    ['A', 'value'],
    ['EMPTY', ''],
    ['PATH_', '/usr/lib/a.b.tar.gz'],
    ['BLANKS', ' one  two '],
    ['STARS', 'a*b?c'],
    ['LINES', 'one\ntwo'],
    ['ü', 'umlaut'],
    ['_', 'underscore'],
  ]),
);

describe('golden', () => {
  goldenTests(new URL('testdata/expand.txt', import.meta.url), (input) => {
    // The first line may set options: `@ escape=` and the character, quotes=keep, quotes=ignore, escapes=keep, unset=keep.
    const [first = '', ...rest] = input.split('\n');
    const says = (option: string) => first.startsWith('@') && first.includes(option);
    const text = first.startsWith('@') ? rest.join('\n') : input;
    try {
      const expanded = expand(text, variables, {
        escape: says('escape=`') ? '`' : '\\',
        keepsQuotes: says('quotes=keep'),
        ignoresQuotes: says('quotes=ignore'),
        keepsEscapes: says('escapes=keep'),
        keepsUnset: says('unset=keep'),
      });
      const { words, used, missing } = expanded;
      return [
        JSON.stringify(expanded.text),
        ...(words.length === 1 && words[0] === expanded.text ? [] : [`words ${JSON.stringify(words)}`]),
        ...(used.size === 0 ? [] : [`used ${[...used].join(' ')}`]),
        ...(missing.size === 0 ? [] : [`missing ${[...missing].join(' ')}`]),
      ].join('\n');
    } catch (error) {
      return `error: ${messageOf(error)}`;
    }
  });
});

test('a text without anything special stays as it is', () => {
  const plain = fc.string({ unit: fc.constantFrom(...Array.from('abcÄ😀/.:=-+#%{}()[]&|;')), maxLength: 200 });
  fc.assert(
    fc.property(plain, (text) => {
      assert.equal(expand(text, noVariables).text, text);
    }),
  );
});

test('whatever is written gives a text or an error, and in time', () => {
  const hostile = fc.string({ unit: fc.constantFrom(...Array.from('$${}{}:-+?#%/\\\'"`<A*a \t')), maxLength: 400 });
  fc.assert(
    fc.property(hostile, (text) => {
      try {
        const { words } = expand(text, variables, { budget: new Budget(1_000_000) });
        assert.ok(words.every((word) => word !== ''));
      } catch (error) {
        assert.match(messageOf(error), /^failed to process "/);
      }
    }),
    { numRuns: 2_000 },
  );
});

test('quoted text expands to itself', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 100 }), (text) => {
      if (text.includes("'")) return;
      assert.equal(expand(`'${text}'`, variables).text, text);
    }),
  );
});

test('time grows with the text only', () => {
  const cpu = startCpuClock();
  const long = 'x'.repeat(200_000);
  expand(`$A "${long}" '${long}' \${NONE:-${long}}`, variables);
  for (const text of ['${A:-'.repeat(100_000), '$'.repeat(200_000), '\'"'.repeat(100_000)]) {
    try {
      expand(text, variables);
    } catch (error) {
      assert.match(messageOf(error), /^failed to process/);
    }
  }
  assert.ok(cpu() < 3_000, `${cpu()} ms`);
});

test('what doubles with each line is stopped', () => {
  const cpu = startCpuClock();
  const budget = new Budget();
  let value = 'x';
  assert.throws(() => {
    for (let line = 0; line < 64; line++) {
      value = expand('$V$V', variablesOf(new Map([['V', value]])), { budget }).text;
    }
  }, /become too long/);
  const text = variablesOf(new Map([['V', 'ab'.repeat(30_000)]]));
  assert.throws(() => expand('${V//*a*a*a*a*a*c/}', text), /take too long/);
  assert.ok(cpu() < 3_000, `${cpu()} ms`);
});
