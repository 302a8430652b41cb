import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainEntry, type TarEntry } from '../../archive/tar/entry.ts';
import { filesDigest } from './files-digest.ts';
import type { CopiedMember, CopiedSource } from './source.ts';

function file(path: string, text: string, more: Partial<TarEntry> = {}): CopiedMember {
  const body = async function* () {
    yield Buffer.from(text);
  };
  const entry = { ...plainEntry('file', 'file', { size: text.length, mode: 0o644 }), ...more };
  return { path, entry, body: body() };
}

function folder(...members: readonly CopiedMember[]): CopiedSource {
  const top: CopiedMember = { path: '', entry: plainEntry('directory', './', { size: 0, mode: 0o755 }) };
  return {
    name: 'folder',
    isDirectory: true,
    members: async function* () {
      yield* [top, ...members];
    },
  };
}

test('times and the order of a list do not count, nor the folder whose files are copied', async () => {
  const digest = await filesDigest([folder(file('a', '1'), file('b', '2'))]);
  assert.match(digest, /^[0-9a-f]{64}$/);
  assert.equal(await filesDigest([folder(file('b', '2', { mtime: 7, mtimeNsec: 8 }), file('a', '1'))]), digest);
  assert.equal(await filesDigest([{ ...folder(file('a', '1'), file('b', '2')), name: 'other' }]), digest);
});

test('names, contents, modes, owners and attributes count', async () => {
  const xattrs = new Map([['user.a', Buffer.from('x')]]);
  const others = [
    [folder(file('a', '1'))],
    [folder(file('b', '1'))],
    [folder(file('a', '2'))],
    [folder(file('a', '1', { mode: 0o600 }))],
    [folder(file('a', '1', { uid: 5 }))],
    [folder(file('a', '1', { xattrs }))],
    [folder(file('a', '1')), folder(file('a', '1'))],
    [{ ...folder(file('', '1')), isDirectory: false }],
    [{ ...folder(file('', '1')), isDirectory: false, name: 'other' }],
    [folder({ path: 'a', entry: { ...plainEntry('symlink', 'a', { size: 0, mode: 0o777 }), linkName: '1' } })],
    [folder({ path: 'a', linkPath: 'b', entry: plainEntry('hardlink', 'a', { size: 0, mode: 0o644 }) })],
  ];
  const digests = await Promise.all(others.map((sources) => filesDigest(sources)));
  assert.equal(new Set(digests).size, others.length);
});
