import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { messageOf } from '../../base/errors.ts';
import { startCpuClock } from '../../../tests/support/cpu.ts';
import { goldenTests } from '../../../tests/support/golden.ts';
import { cleanPath } from './clean-path.ts';
import { parseIgnoreFile } from './ignore-file.ts';
import { type FolderMatches, PathMatcher } from './matcher.ts';

goldenTests(new URL('testdata/ignore.txt', import.meta.url), (input) => {
  const [file = '', paths] = input.split(/^paths: /m);
  const patterns = parseIgnoreFile(file);
  if (paths === undefined) return patterns.map((pattern) => JSON.stringify(pattern)).join('\n');
  try {
    const matcher = new PathMatcher(patterns);
    return paths
      .trim()
      .split(' ')
      .map((path) => {
        const [walked, alone] = [walk(matcher, path), matcher.matches(path)];
        return `${walked ? '-' : '+'} ${path}${walked === alone ? '' : ' (not when it is looked at alone)'}`;
      })
      .join('\n');
  } catch (error) {
    return `error: ${messageOf(error)}`;
  }
});

/** Goes to a path from folder to folder. */
function walk(matcher: PathMatcher, path: string): boolean {
  const parts = path.split('/');
  let parent: FolderMatches | undefined;
  let isMatch = false;
  for (let depth = 1; depth <= parts.length; depth++) {
    const entered = matcher.enter(parts.slice(0, depth).join('/'), parent);
    ({ isMatch } = entered);
    parent = entered.matches;
  }
  return isMatch;
}

const path = fc
  .array(fc.constantFrom('a', 'b', 'ab', 'c.d'), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/'));
const pattern = fc
  .array(fc.constantFrom('a', 'b', '*', '?', '**', '/', '**/', '[a-b]', 'c.d', '\\a'), { minLength: 1, maxLength: 6 })
  .map((parts) => parts.join(''));

test('without exceptions a walk from folder to folder finds what is found for a path alone', () => {
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 5 }), path, (patterns, file) => {
      const matcher = new PathMatcher(parseIgnoreFile(patterns.join('\n')));
      assert.equal(walk(matcher, file), matcher.matches(file), `${patterns.join('|')} ${file}`);
    }),
    { numRuns: 3_000 },
  );
});

/** The same patterns as a regular expression, the way their documentation explains them. */
function asRegExp(text: string): RegExp {
  const source = cleanPath(text).replace(
    /\*\*\/?$|\*\*\/?|\*|\?|\[[^\]]*\]|\\.|[.]/g,
    (piece, at: number, all: string) => {
      if (piece.startsWith('**')) return at + piece.length === all.length ? '.*' : '(.*/)?';
      if (piece === '*') return '[^/]*';
      if (piece === '?') return '[^/]';
      return piece === '.' ? '\\.' : piece.startsWith('\\') ? piece.slice(1) : piece;
    },
  );
  return new RegExp(`^${source}$`);
}

test('patterns mean what a regular expression made of them means', () => {
  fc.assert(
    fc.property(pattern, path, (text, file) => {
      const cleaned = cleanPath(text);
      // Two stars in front of a name without a slash match ends of names, too; three stars are no pattern of anybody.
      if (/^\*\*[^/*]/.test(cleaned) || cleaned.includes('***') || cleaned.startsWith('/')) return;
      const expected = asRegExp(text);
      const parents = file.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/'));
      assert.equal(
        new PathMatcher([text]).matches(file),
        parents.some((one) => expected.test(one)),
        `${text} ${file}`,
      );
    }),
    { numRuns: 3_000 },
  );
});

test('questions about the whole list', () => {
  assert.ok(new PathMatcher([]).isEmpty);
  assert.ok(new PathMatcher(['a', '!b']).hasExceptions);
  assert.ok(!new PathMatcher(['a']).hasExceptions);
  assert.ok(new PathMatcher(['**']).leavesOutAll);
  assert.ok(!new PathMatcher(['*.md']).leavesOutAll);
});

test('time grows with pattern and path only', () => {
  const cpu = startCpuClock();
  const matcher = new PathMatcher([`${'*a'.repeat(200)}b`, `${'**/a/'.repeat(200)}b`, `${'[^x]*'.repeat(200)}x`]);
  assert.equal(matcher.matches('a/'.repeat(1_000) + 'a'.repeat(2_000)), false);
  assert.ok(cpu() < 10_000, `${cpu()} ms`);
});
