import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { followLinks } from './follow.ts';
import { listFolder } from './folder.ts';
import { folderFilter } from './send-folder.ts';

function folder(t: TestContext, files: readonly string[], links: Readonly<Record<string, string>> = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'gantry-folder-'));
  t.after(() => rmSync(root, { recursive: true }));
  for (const file of files) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), file);
  }
  for (const [name, target] of Object.entries(links)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    symlinkSync(target, join(root, name));
  }
  return root;
}

const listed = (root: string, wishes: { includes?: string[]; excludes?: string[]; follow?: string[] }): string[] =>
  [...listFolder(root, folderFilter(root, { includes: [], excludes: [], follow: [], ...wishes }))].map(
    ({ path }) => path,
  );

test('parents come before what is in them, names in the order of their bytes', (t) => {
  const root = folder(t, ['a/x', 'a.txt', 'a-b', 'B', 'z/y/x']);
  assert.deepEqual(listed(root, {}), ['B', 'a', 'a/x', 'a-b', 'a.txt', 'z', 'z/y', 'z/y/x']);
});

test('what is left out is not looked into, unless something may come back', (t) => {
  const root = folder(t, ['keep', 'out/a', 'out/in/b', 'out/in/c', 'other/out', 'log.md', 'README.md']);
  const out: string[] = [];
  const filter = {
    ...folderFilter(root, { includes: [], excludes: ['out', '!out/in/b', '*.md', '!README.md'], follow: [] }),
    onExcluded: (path: string) => void out.push(path),
  };
  assert.deepEqual(
    [...listFolder(root, filter)].map(({ path }) => path),
    ['README.md', 'keep', 'other', 'other/out', 'out', 'out/in', 'out/in/b'],
  );
  assert.deepEqual(out, ['log.md', 'out', 'out/a', 'out/in', 'out/in/c']);
  const shut = folderFilter(root, { includes: [], excludes: ['out'], follow: [] });
  assert.equal(shut.mayReturn('out'), false);
});

test('of what is wanted the folders on the way are told, and nothing beside it', (t) => {
  const root = folder(t, ['a/b/c', 'a/b/d', 'a/e', 'f', 'g/h.txt', 'g/i']);
  assert.deepEqual(listed(root, { includes: ['a/b/c', 'g/*.txt'] }), ['a', 'a/b', 'a/b/c', 'g', 'g/h.txt']);
  assert.deepEqual(listed(root, { includes: ['**/i'] }), ['g', 'g/i']);
  assert.deepEqual(listed(root, { includes: ['a'] }), ['a', 'a/b', 'a/b/c', 'a/b/d', 'a/e']);
});

test('links are sent with what they lead to, and lead nowhere above the folder', (t) => {
  const root = folder(t, ['real/file', 'real/other', 'top'], {
    link: 'real',
    'real/again': '../top',
    abs: '/real/file',
    out: '../../../../etc',
    loop: 'loop',
    gone: 'nothing',
  });
  assert.deepEqual(followLinks(root, ['link/again']), ['link', 'real/again', 'top']);
  assert.deepEqual(followLinks(root, ['abs']), ['abs', 'real/file']);
  assert.deepEqual(followLinks(root, ['loop', 'gone']), ['gone', 'loop', 'nothing']);
  assert.deepEqual(followLinks(root, ['out/passwd']), ['etc/passwd', 'out']);
  assert.deepEqual(followLinks(root, ['l*']), ['l*', 'loop', 'real']);
  assert.deepEqual(listed(root, { follow: ['link'] }), ['link', 'real', 'real/again', 'real/file', 'real/other']);
});

test('ignore files of folders inside count for their folders, where that is wanted', (t) => {
  const root = folder(t, ['a/log', 'a/keep', 'a/b/log', 'a/b/c/x', 'a/b/c/y', 'log']);
  writeFileSync(join(root, 'a/.dockerignore'), 'log\nb/c\n!b/c/y\n');
  const plain = folderFilter(root, { includes: [], excludes: [], follow: [] });
  const paths = [...listFolder(root, { ...plain, nestedIgnore: true })].map(({ path }) => path);
  assert.deepEqual(paths, ['a', 'a/.dockerignore', 'a/b', 'a/b/c', 'a/b/c/y', 'a/b/log', 'a/keep', 'log']);
  assert.equal([...listFolder(root, plain)].length, 10);
});
