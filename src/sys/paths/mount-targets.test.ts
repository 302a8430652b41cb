import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { prepareMountTargets } from './mount-targets.ts';

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
    assert.deepEqual(prepareMountTargets(root, targets), ['/a/b', '/etc/resolv.conf']);
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
    assert.deepEqual(prepareMountTargets(root, targets), ['/run/x', `${outside}/x`]);
    assert.deepEqual(readdirSync(outside), [], 'nothing came to be outside');
    assert.ok(existsSync(join(root, outside, 'x')), 'the link led to a place inside the root');
  });

  it('leaves what is there as it is', () => {
    mkdirSync(join(root, 'there'), { mode: 0o700 });
    assert.deepEqual(prepareMountTargets(root, [{ path: '/there', kind: 'file' }]), ['/there']);
    assert.ok(lstatSync(join(root, 'there')).isDirectory());
  });
});
