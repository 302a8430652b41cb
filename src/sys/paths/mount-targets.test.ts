import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { changeModeInRoot, prepareMountTargets } from './mount-targets.ts';

const base = mkdtempSync(join(tmpdir(), 'targets-'));
after(() => rmSync(base, { recursive: true }));
const [root, outside] = [join(base, 'root'), join(base, 'outside')];
beforeEach(() => {
  for (const path of [root, outside]) {
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path);
  }
});

describe('prepareMountTargets', () => {
  it('makes missing directories and files with their parents', () => {
    const targets = [
      { path: '/a/b', kind: 'directory' },
      { path: '/etc/resolv.conf', kind: 'file' },
    ] as const;
    assert.deepEqual(prepareMountTargets(root, targets), [
      { path: '/a/b', mode: 0o755 },
      { path: '/etc/resolv.conf', mode: 0o644 },
    ]);
    assert.ok(statSync(join(root, 'a/b')).isDirectory());
    assert.ok(statSync(join(root, 'etc/resolv.conf')).isFile());
  });

  it('follows the links of the image inside the root, never out of it', () => {
    mkdirSync(join(root, 'run'));
    mkdirSync(join(root, 'var'));
    symlinkSync('/run', join(root, 'var/run'));
    symlinkSync(outside, join(root, 'evil'));
    const targets = [
      { path: '/var/run/x', kind: 'directory' },
      { path: '/evil/x', kind: 'file' },
    ] as const;
    assert.deepEqual(
      prepareMountTargets(root, targets).map(({ path }) => path),
      ['/run/x', `${outside}/x`],
    );
    assert.deepEqual(readdirSync(outside), [], 'nothing came to be outside');
    assert.ok(existsSync(join(root, outside, 'x')), 'the link led to a place inside the root');
  });

  it('leaves what is there as it is', () => {
    mkdirSync(join(root, 'there'), { mode: 0o700 });
    assert.deepEqual(prepareMountTargets(root, [{ path: '/there', kind: 'file', mode: 0o777 }]), [
      { path: '/there', mode: 0o700 },
    ]);
    assert.ok(lstatSync(join(root, 'there')).isDirectory());
  });

  it('gives a new directory the wanted mode, whatever the umask; its parents stay closed to others', () => {
    const before = process.umask(0o077);
    try {
      prepareMountTargets(root, [{ path: '/parent/open', kind: 'directory', mode: 0o1777 }]);
    } finally {
      process.umask(before);
    }
    assert.equal(statSync(join(root, 'parent/open')).mode & 0o7777, 0o1777);
    assert.equal(statSync(join(root, 'parent')).mode & 0o7777, 0o700);
  });

  it('changes the mode of a directory only: links and files are refused', () => {
    mkdirSync(join(root, 'dir'));
    symlinkSync('/dir', join(root, 'link'));
    writeFileSync(join(root, 'file'), '');
    changeModeInRoot(root, '/dir', 0o1770);
    assert.equal(statSync(join(root, 'dir')).mode & 0o7777, 0o1770);
    assert.throws(() => changeModeInRoot(root, '/link', 0o700), /ELOOP|ENOTDIR/);
    assert.throws(() => changeModeInRoot(root, '/file', 0o700), /ENOTDIR/);
  });
});
