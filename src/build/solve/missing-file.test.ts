import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explained, MissingFile } from './missing-file.ts';

const message = async (path: string, names: (folder: string) => Promise<string[]>): Promise<string> => {
  const failed = explained(() => Promise.reject(new MissingFile(path)), names);
  return failed.then(
    () => '',
    (error: Error) => error.message,
  );
};

test('a missing file is told with the one that was probably meant', async () => {
  const asked: string[] = [];
  const names = async (folder: string) => {
    asked.push(folder);
    return folder === '' ? ['package.json', 'src'] : ['src/main.ts', 'src/other.ts'];
  };
  assert.equal(await message('/pakage.json', names), '"/pakage.json": not found (did you mean "/package.json"?)');
  assert.equal(await message('/src/mian.ts', names), '"/src/mian.ts": not found (did you mean "/src/main.ts"?)');
  assert.equal(await message('/nothing-like-it', names), '"/nothing-like-it": not found');
  assert.deepEqual(asked, ['', 'src', '']);
});

test('a file that is there, but not in the context, is said to be left out', async () => {
  assert.equal(
    await message('/notes.md', async () => ['notes.md']),
    '"/notes.md": not found (.dockerignore leaves it out)',
  );
});

test('a look that fails says nothing more, and other errors stay what they are', async () => {
  assert.equal(await message('/a', () => Promise.reject(new Error('the client has gone'))), '"/a": not found');
  const other = new Error('other');
  await assert.rejects(
    explained(
      () => Promise.reject(other),
      async () => ['a'],
    ),
    other,
  );
});
