import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { closeFd, openFd } from '../../sys/ffi/descriptor.ts';
import { getXattr } from '../../sys/file/xattr.ts';
import { O_PATH } from '../../sys/paths/inroot.ts';
import type { TarEntry } from '../tar/entry.ts';
import { TarParser } from '../tar/parse.ts';
import { encodeTarHeader, tarPadding, tarTrailer } from '../tar/write.ts';
import { TreeFromTar } from './unpack.ts';

const skip = process.getuid?.() === 0 ? false : 'owners need root';
const base = mkdtempSync(join(tmpdir(), 'unpack-'));
after(() => rmSync(base, { recursive: true }));
const root = join(base, 'root');
const outside = join(base, 'outside');
beforeEach(() => {
  for (const path of [root, outside]) rmSync(path, { recursive: true, force: true });
  mkdirSync(join(root, 'in'), { recursive: true });
  mkdirSync(outside);
  writeFileSync(join(outside, 'canary'), 'alive');
});

interface Member extends Partial<TarEntry> {
  readonly name: string;
  readonly body?: string;
}

function archiveOf(members: readonly Member[]): Buffer {
  const parts = members.flatMap(({ body = '', ...entry }) => {
    const whole: TarEntry = {
      type: 'file',
      linkName: '',
      mode: 0o644,
      uid: 0,
      gid: 0,
      size: body.length,
      mtime: 1000,
      mtimeNsec: 0,
      major: 0,
      minor: 0,
      ...entry,
    };
    return [encodeTarHeader(whole), Buffer.from(body), tarPadding(body.length)];
  });
  return Buffer.concat([...parts, tarTrailer()]);
}

function unpack(
  members: readonly Member[] | Buffer,
  options: { keepKinds?: boolean; between?: () => void } = {},
): void {
  const fd = openFd(root, O_PATH);
  const tree = new TreeFromTar({ kind: 'unpack', root: fd, path: '/in', keepKinds: options.keepKinds ?? false });
  try {
    const parser = new TarParser(tree);
    const bytes = Buffer.isBuffer(members) ? members : archiveOf(members);
    for (let at = 0; at < bytes.length; at += 512) {
      parser.push(bytes.subarray(at, at + 512));
      options.between?.();
    }
    parser.finish();
    tree.complete();
  } finally {
    tree.close();
    closeFd(fd);
  }
}

const untouched = (): void => {
  assert.deepEqual(readdirSync(outside), ['canary']);
  assert.equal(readFileSync(join(outside, 'canary'), 'utf8'), 'alive');
  assert.deepEqual(readdirSync(base).sort(), ['outside', 'root']);
};

describe('TreeFromTar', { skip }, () => {
  it('makes what an archive describes', () => {
    unpack([
      { name: 'dir/', type: 'directory', mode: 0o1750, uid: 3, gid: 4, mtime: 2000 },
      { name: 'dir/file', body: 'text', mode: 0o4711, uid: 1, gid: 2 },
      { name: 'dir/hard', type: 'hardlink', linkName: 'dir/file', mode: 0o4711, uid: 1, gid: 2 },
      { name: 'link', type: 'symlink', linkName: '/etc/passwd' },
      { name: 'pipe', type: 'fifo', mode: 0o622 },
      { name: 'deep/er/.wh.file', body: '' },
    ]);
    const at = (path: string): string => join(root, 'in', path);
    const file = statSync(at('dir/file'));
    assert.deepEqual([file.mode & 0o7777, file.uid, file.gid, file.nlink, file.mtimeMs], [0o4711, 1, 2, 2, 1_000_000]);
    const dir = statSync(at('dir'));
    assert.deepEqual([dir.mode & 0o7777, dir.uid, dir.gid, dir.mtimeMs], [0o1750, 3, 4, 2_000_000]);
    assert.equal(readlinkSync(at('link')), '/etc/passwd');
    assert.equal(lstatSync(at('pipe')).isFIFO() && lstatSync(at('pipe')).mode & 0o777, 0o622);
    assert.ok(existsSync(at('deep/er/.wh.file')));
  });

  it('keeps capabilities of a file that has several names', () => {
    const capability = Buffer.from('AQAAAgAgAAAAAAAAAAAAAAAAAAA=', 'base64');
    unpack([
      { name: 'file', body: 'x', uid: 3, xattrs: new Map([['security.capability', capability]]) },
      { name: 'hard', type: 'hardlink', linkName: 'file', uid: 3 },
    ]);
    assert.deepEqual(
      Buffer.from(getXattr(Buffer.from(join(root, 'in/hard')), 'security.capability') ?? []),
      capability,
    );
  });

  it('never leaves the root, whatever the names say', () => {
    const up = '../'.repeat(20) + outside.slice(1);
    for (const name of [`${up}/x`, `a/../../../${up}/x`, '..', '../x']) {
      assert.throws(() => unpack([{ name, body: 'x' }]), { code: 'invalid' }, name);
    }
    unpack([{ name: `${outside}/x`, body: 'absolute names begin at the directory' }]);
    assert.ok(existsSync(join(root, 'in', outside, 'x')));
    untouched();
  });

  it('never leaves the root through links, its own or those that were there', () => {
    symlinkSync(outside, join(root, 'in/there'));
    mkdirSync(join(root, outside), { recursive: true });
    for (const target of [outside, `../../../../../../../..${outside}`]) {
      unpack([
        { name: 'link', type: 'symlink', linkName: target },
        { name: 'link/x', body: 'x' },
        { name: 'there/y', body: 'y' },
      ]);
    }
    assert.ok(existsSync(join(root, outside, 'x')), 'the link means a place inside the root');
    unpack([{ name: 'there', body: 'replaced, not written through' }]);
    assert.ok(lstatSync(join(root, 'in/there')).isFile());
    for (const linkName of [`${outside}/canary`, `../../outside/canary`, 'link2/canary']) {
      const members: Member[] = [
        { name: 'link2', type: 'symlink', linkName: '/../../outside' },
        { name: 'hard', type: 'hardlink', linkName },
      ];
      assert.throws(() => unpack(members), { code: 'invalid' });
    }
    untouched();
  });

  it('is not diverted by somebody who turns directories into links meanwhile', () => {
    const dir = join(root, 'in/dir');
    let turn = 0;
    const between = (): void => {
      if (turn++ % 2 === 0) {
        if (existsSync(dir)) renameSync(dir, `${dir}.away`);
        rmSync(dir, { force: true, recursive: true });
        symlinkSync(outside, dir);
      } else {
        rmSync(dir, { force: true });
        if (existsSync(`${dir}.away`)) renameSync(`${dir}.away`, dir);
      }
    };
    for (let round = 0; round < 50; round++) {
      try {
        unpack(
          [
            { name: 'dir/canary', body: 'dead' },
            { name: 'other', body: '' },
            { name: 'dir/x/y', body: 'dead' },
          ],
          { between },
        );
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'invalid', String(error));
      }
    }
    untouched();
  });

  it('replaces what is there, or not', () => {
    mkdirSync(join(root, 'in/dir/sub'), { recursive: true });
    writeFileSync(join(root, 'in/file'), 'old');
    assert.throws(
      () => unpack([{ name: 'dir', body: '' }], { keepKinds: true }),
      /cannot overwrite directory "dir" with/,
    );
    const asDirectory: Member[] = [{ name: 'file/', type: 'directory' }];
    assert.throws(() => unpack(asDirectory, { keepKinds: true }), /cannot overwrite non-directory "file/);
    unpack([{ name: 'dir', body: 'file now' }, ...asDirectory, { name: 'file/inner', body: '' }]);
    assert.equal(readFileSync(join(root, 'in/dir'), 'utf8'), 'file now');
    assert.deepEqual(readdirSync(join(root, 'in/file')), ['inner']);
    unpack([{ name: 'file/', type: 'directory', mode: 0o700 }]);
    assert.deepEqual(readdirSync(join(root, 'in/file')), ['inner'], 'directories are merged');
  });

  it('says which member is wrong', () => {
    const long = 'n'.repeat(256);
    assert.throws(() => unpack([{ name: long, body: '' }]), /is too long/);
    assert.throws(
      () =>
        unpack([
          { name: 'a', body: '' },
          { name: 'a/b', body: '' },
        ]),
      /cannot extract "a\/b".*not a directory/,
    );
    assert.throws(
      () => unpack([{ name: 'hard', type: 'hardlink', linkName: 'missing' }]),
      /cannot extract "hard".*no such file/,
    );
    const cut = archiveOf([{ name: 'file', body: 'x'.repeat(2000) }]).subarray(0, 1024);
    assert.throws(() => unpack(cut), { code: 'corrupt' });
    const huge = encodeTarHeader({ ...emptyEntry, name: 'x', size: 2 ** 40 });
    huge.write('x', 156);
    assert.throws(() => unpack(huge), { code: /corrupt|invalid/ });
  });

  it('has room for many members and closes every file', () => {
    const before = readdirSync('/proc/self/fd').length;
    unpack(Array.from({ length: 5000 }, (_, at) => ({ name: `d${at % 70}/f${at}`, body: 'x' })));
    assert.equal(readdirSync(join(root, 'in')).length, 70);
    assert.equal(readdirSync('/proc/self/fd').length, before);
  });
});

const emptyEntry: TarEntry = {
  type: 'file',
  name: '',
  linkName: '',
  mode: 0,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 0,
  mtimeNsec: 0,
  major: 0,
  minor: 0,
};
