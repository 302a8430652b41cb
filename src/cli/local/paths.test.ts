import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleanLocal, keepEnding, planCopy, splitArgument, splitEntry } from './paths.ts';

test('an argument is of a container when a colon follows its name', () => {
  assert.deepEqual(splitArgument('one:/a:b'), { container: 'one', path: '/a:b' });
  for (const local of ['/a:b', './a:b', '../a:b', 'plain', '-']) {
    assert.deepEqual(splitArgument(local), { container: '', path: local });
  }
});

test('paths are cleaned, their endings kept', () => {
  assert.equal(cleanLocal('/a/./b//../c/'), '/a/c');
  assert.equal(cleanLocal('/../..'), '/');
  assert.equal(cleanLocal('../a/..'), '..');
  assert.equal(cleanLocal(''), '.');
  assert.equal(keepEnding('/a', 'x/a/'), '/a/');
  assert.equal(keepEnding('/a', 'x/a/.'), '/a/.');
  assert.deepEqual(splitEntry('/a/b/'), { directory: '/a', base: 'b' });
  assert.deepEqual(splitEntry('/a'), { directory: '/', base: 'a' });
  assert.deepEqual(splitEntry('a/.'), { directory: 'a', base: '.' });
  assert.deepEqual(splitEntry('/'), { directory: '/', base: '/' });
});

test('what is there decides where a copy goes', () => {
  const file = { path: '/s/file', exists: true, isDirectory: false };
  const folder = { path: '/s/dir', exists: true, isDirectory: true };
  const missing = { path: '/t/new', exists: false, isDirectory: false };
  assert.deepEqual(planCopy(file, { ...folder, path: '/t' }), { directory: '/t', name: undefined });
  assert.deepEqual(planCopy(folder, missing), { directory: '/t', name: 'new' });
  assert.deepEqual(planCopy(file, { ...file, path: '/t/old' }), { directory: '/t', name: 'old' });
  assert.throws(() => planCopy(folder, file), /cannot copy directory/);
  assert.throws(() => planCopy(file, { ...missing, path: '/t/new/' }), /no such directory/);
});
