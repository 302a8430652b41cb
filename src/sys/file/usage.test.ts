import assert from 'node:assert/strict';
import { link, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { diskUsage } from './usage.ts';
import { walkUsage } from './usage-walk.ts';

const folder = await mkdtemp(join(tmpdir(), 'gantry-usage-'));
after(() => rm(folder, { recursive: true }));

describe('diskUsage', () => {
  it('counts lengths of files and links, each inode once, to the byte', async () => {
    const root = join(folder, 'tree');
    await mkdir(join(root, 'a/b'), { recursive: true });
    await writeFile(join(root, 'one'), 'x'.repeat(1001));
    await link(join(root, 'one'), join(root, 'a/again'));
    await symlink('/etc', join(root, 'a/link'));
    await writeFile(join(root, 'a/b/sparse'), '');
    await truncate(join(root, 'a/b/sparse'), 50_000);
    await writeFile(Buffer.concat([Buffer.from(`${root}/a/`), Buffer.of(0xff, 0xfe)]), 'yy');
    const expected = 1001 + '/etc'.length + 50_000 + 2;
    assert.equal(walkUsage(root), expected);
    assert.equal(await diskUsage(root), expected);
  });

  it('walks once for all who ask at the same time, and goes on for those who stay', async () => {
    const root = join(folder, 'many');
    await mkdir(root);
    await Promise.all(Array.from({ length: 500 }, (_, at) => writeFile(join(root, String(at)), 'abc')));
    const leaving = new AbortController();
    const answers = [diskUsage(root, leaving.signal), diskUsage(root), diskUsage(root)];
    leaving.abort();
    const [first, ...others] = await Promise.allSettled(answers);
    assert.equal(first?.status, 'rejected');
    assert.deepEqual(
      others.map((other) => other.status === 'fulfilled' && other.value),
      [1500, 1500],
    );
  });

  it('gives a walk up that nobody waits for, and counts the next', async () => {
    const root = join(folder, 'given-up');
    await mkdir(root);
    await writeFile(join(root, 'x'), 'abc');
    const leaving = new AbortController();
    const answer = diskUsage(root, leaving.signal);
    leaving.abort();
    await assert.rejects(answer, { code: 'cancelled' });
    assert.equal(await diskUsage(root), 3);
  });

  it('says when the directory itself is not there', () =>
    assert.rejects(diskUsage(join(folder, 'absent')), { code: 'ENOENT' }));
});
