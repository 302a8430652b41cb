import assert from 'node:assert/strict';
import { chmod, chown, lstat, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { chownTree } from './chown-tree.ts';

const notRoot = process.getuid?.() === 0 ? false : 'owners need root';

test('everything in a tree changes its owner, what links point at does not, and nothing is touched twice', {
  skip: notRoot,
}, async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'chown-'));
  t.after(() => rm(root, { recursive: true }));
  const tree = join(root, 'tree');
  await mkdir(join(tree, 'a/b'), { recursive: true });
  await writeFile(join(root, 'outside'), '');
  await writeFile(join(tree, 'a/b/file'), '');
  await writeFile(join(tree, 'his'), '');
  await chown(join(tree, 'his'), 7, 8);
  await chmod(join(tree, 'his'), 0o4755);
  await symlink('../../outside', join(tree, 'a/link'));
  await symlink(tree, join(root, 'way'));
  assert.equal(await chownTree({ path: join(root, 'way'), uid: 7, gid: 8 }), 5);
  for (const name of ['', 'a', 'a/b', 'a/b/file', 'a/link']) {
    const { uid, gid } = await lstat(join(tree, name));
    assert.deepEqual([uid, gid], [7, 8], name);
  }
  assert.equal((await lstat(join(root, 'outside'))).uid, 0);
  // Its set-user-id bit would have gone with a change of the owner.
  assert.equal((await lstat(join(tree, 'his'))).mode & 0o7777, 0o4755);
  assert.equal(await chownTree({ path: tree, uid: 7, gid: 8 }), 0);
  assert.equal(await chownTree({ path: join(tree, 'his'), uid: 9, gid: 9 }), 1);
  await assert.rejects(chownTree({ path: join(root, 'none'), uid: 1, gid: 1 }), { code: 'ENOENT' });
});
