import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assemble, IncludeError, placeInAssembled } from './include.ts';
import { parseDockerfile } from './parse.ts';
import { linesRange } from './source.ts';

const head = '# syntax=gantry/dockerfile:1\n';
const named = (text: string) => ({ name: 'Dockerfile', text });
const assembled = (text: string, files: Readonly<Record<string, string>>) => {
  const result = assemble(named(text), (path) => files[path]);
  assert.ok(result !== undefined && 'text' in result, JSON.stringify(result));
  return result;
};

test('included files stand in the places of their lines, also those that they include', () => {
  const files = { 'parts/env': '# what all have\nENV A=1\nINCLUDE parts/more\n', 'parts/more': 'LABEL b=2' };
  const result = assembled(
    `${head}FROM scratch\nINCLUDE ./parts/env\nRUN <<EOF\nINCLUDE not this\nEOF\nCMD x\n`,
    files,
  );
  assert.equal(
    result.text,
    `${head}FROM scratch\n# what all have\nENV A=1\nLABEL b=2\nRUN <<EOF\nINCLUDE not this\nEOF\nCMD x\n`,
  );
  assert.deepEqual(
    parseDockerfile(named(result.text)).stages[0]?.instructions.map(({ kind }) => kind),
    ['env', 'label', 'run', 'cmd'],
  );
  assert.deepEqual(placeInAssembled(result, linesRange(5, 5)), { file: 'parts/more', range: linesRange(1, 1) });
  assert.deepEqual(placeInAssembled(result, linesRange(6, 8)), { file: 'Dockerfile', range: linesRange(4, 6) });
});

test('what is not known yet is asked for; files without INCLUDE, or of Docker’s syntax, are as they are', () => {
  const text = `${head}FROM scratch\nINCLUDE a\nINCLUDE b\n`;
  assert.deepEqual(
    assemble(named(text), () => undefined),
    ['a', 'b'],
  );
  assert.deepEqual(
    assemble(named(text), (path) => (path === 'a' ? 'INCLUDE c\n' : undefined)),
    ['c', 'b'],
  );
  assert.equal(
    assemble(named('FROM scratch\nINCLUDE a\n'), () => ''),
    undefined,
  );
  assert.equal(
    assemble(named(`${head}FROM scratch\nRUN x\n`), () => ''),
    undefined,
  );
});

for (const [what, line, files, message] of [
  ['out of the folder', 'INCLUDE ../x', {}, /leads out/],
  ['at the root', 'INCLUDE /etc/x', {}, /leads out/],
  ['without a path', 'INCLUDE  ', {}, /exactly one argument/],
  ['with two', 'INCLUDE a b', {}, /exactly one argument/],
  ['in a circle', 'INCLUDE a', { a: 'INCLUDE b\n', b: 'INCLUDE a\n' }, /includes itself: Dockerfile -> a -> b -> a/],
  ['with another escape', 'INCLUDE a', { a: '# escape=`\nRUN x\n' }, /escape/],
  ['of a thousand', 'INCLUDE a', { a: 'INCLUDE b\n'.repeat(1000), b: '' }, /more than 100 files/],
] as const) {
  test(`INCLUDE ${what} is refused`, () => {
    const textOf = (path: string): string | undefined => (files as Record<string, string>)[path];
    assert.throws(
      () => assemble(named(`${head}FROM scratch\n${line}\n`), textOf),
      (error: unknown) => error instanceof IncludeError && message.test(error.message),
    );
  });
}
