import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { closeFd, openFd } from '../../sys/ffi/descriptor.ts';
import { setXattr } from '../../sys/file/xattr.ts';
import type { TarEntry } from '../tar/entry.ts';
import { TarParser } from '../tar/parse.ts';
import { overlayChanges } from './changes.ts';
import { pack, type PackSink, type PackTask } from './pack.ts';

const base = mkdtempSync(join(tmpdir(), 'pack-'));
after(() => rmSync(base, { recursive: true }));

/** A sink with little room, so that content comes in pieces. */
function gatherer(): PackSink & { bytes(): Buffer } {
  const parts: Buffer[] = [];
  const room = Buffer.alloc(1000);
  return {
    write: (bytes) => void parts.push(Buffer.from(bytes)),
    reserve: () => room,
    advance: (length) => void parts.push(Buffer.from(room.subarray(0, length))),
    bytes: () => Buffer.concat(parts),
  };
}

function packed(path: string, task: Omit<PackTask, 'kind' | 'directory'>): { entry: TarEntry; body: string }[] {
  const sink = gatherer();
  const directory = openFd(path, 0o200000);
  try {
    pack({ kind: 'pack', directory, ...task }, sink);
  } finally {
    closeFd(directory);
  }
  const members: { entry: TarEntry; body: string }[] = [];
  const parser = new TarParser({
    entry: (entry) => void members.push({ entry, body: '' }),
    data: (chunk) => {
      const last = members.at(-1);
      if (last !== undefined) last.body += chunk.toString();
    },
    end: () => undefined,
  });
  parser.push(sink.bytes());
  parser.finish();
  return members;
}

const listed = (members: readonly { entry: TarEntry }[]): string[] =>
  members.map(({ entry }) => `${entry.type} ${entry.name}`);

test('a tree is packed in order, with links, and without sockets', async () => {
  const root = join(base, 'tree');
  mkdirSync(join(root, 'b'), { recursive: true });
  writeFileSync(join(root, 'b/large'), 'x'.repeat(5000));
  writeFileSync(join(root, 'a'), 'first');
  linkSync(join(root, 'a'), join(root, 'c'));
  symlinkSync('../elsewhere', join(root, 'b/link'));
  execFileSync('mkfifo', [join(root, 'pipe')]);
  utimesSync(join(root, 'a'), 1000, 1000.5);
  const server = createServer().listen(join(root, 'socket'));
  const members = packed(root, { name: 'top', as: 'plain' });
  assert.deepEqual(listed(members), [
    'directory top/',
    'file top/a',
    'directory top/b/',
    'file top/b/large',
    'symlink top/b/link',
    'hardlink top/c',
    'fifo top/pipe',
  ]);
  assert.equal(members[3]?.body.length, 5000);
  assert.equal(members[5]?.entry.linkName, 'top/a');
  assert.deepEqual([members[1]?.entry.mtime, members[1]?.entry.mtimeNsec], [1000, 0]);
  assert.deepEqual(listed(packed(root, { name: undefined, as: 'plain' }))[0], 'file a');
  assert.deepEqual(listed(packed(root, { name: '', as: 'plain' })).slice(0, 2), ['directory /', 'file /a']);
  assert.deepEqual(listed(packed(root, { name: 'renamed', entry: 'a', as: 'plain' })), ['file renamed']);
  assert.deepEqual(listed(packed(root, { name: undefined, as: 'plain', skip: new Set(['b/link', 'c', 'pipe']) })), [
    'file a',
    'directory b/',
    'file b/large',
  ]);
  await new Promise((resolve) => server.close(resolve));
});

test('the writable directory of an overlay becomes a layer, and a list of changes', {
  skip: process.getuid?.() !== 0,
}, () => {
  const [upper, lower] = [join(base, 'upper'), join(base, 'lower')];
  for (const path of ['same', 'opaque', 'new/deep']) mkdirSync(join(upper, path), { recursive: true });
  for (const path of ['same', 'opaque']) mkdirSync(join(lower, path), { recursive: true });
  writeFileSync(join(lower, 'opaque/hidden'), '');
  writeFileSync(join(lower, 'gone'), '');
  writeFileSync(join(lower, 'same/file'), '');
  writeFileSync(join(upper, 'same/file'), 'changed');
  writeFileSync(join(upper, 'new/deep/file'), '');
  for (const path of [lower, upper]) utimesSync(join(path, 'same'), 1000, 1000);
  execFileSync('mknod', [join(upper, 'gone'), 'c', '0', '0']);
  execFileSync('mknod', [join(upper, 'never'), 'c', '0', '0']);
  setXattr(Buffer.from(join(upper, 'opaque')), 'trusted.overlay.opaque', Buffer.from('y'));
  assert.deepEqual(
    overlayChanges({ upper, lower: [lower] }, new Set(['skipped'])).map(({ Path, Kind }) => `${Kind} ${Path}`),
    ['2 /gone', '1 /new', '1 /new/deep', '1 /new/deep/file', '0 /opaque', '2 /opaque/hidden', '0 /same/file'],
  );
  assert.deepEqual(listed(packed(upper, { name: undefined, as: 'layer' })), [
    'file .wh.gone',
    'file .wh.never',
    'directory new/',
    'directory new/deep/',
    'file new/deep/file',
    'directory opaque/',
    'file opaque/.wh..wh..opq',
    'directory same/',
    'file same/file',
  ]);
});
