import assert from 'node:assert/strict';
import { chownSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { userNamespaces } from '../namespace/user.ts';
import { mountOverlay, unmount } from './mount.ts';
import { readMountTable } from './table.ts';

const skip = process.getuid?.() === 0 ? false : 'mounts need root';
const base = mkdtempSync(join(tmpdir(), 'idmap-'));
const directory = (name: string): string => {
  mkdirSync(join(base, name), { recursive: true });
  return join(base, name);
};
after(() => rmSync(base, { recursive: true, force: true }));
const ranges = [{ inside: 0, outside: 300_000, size: 1000 }];

test('layers show the owners of a user namespace, and nothing but the overlay stays mounted', { skip }, async () => {
  const lower = [directory('two'), directory('one')];
  writeFileSync(join(base, 'one/of-root'), 'one');
  writeFileSync(join(base, 'two/of-user'), 'two');
  writeFileSync(join(base, 'two/of-nobody'), '');
  chownSync(join(base, 'two/of-user'), 7, 8);
  chownSync(join(base, 'two/of-nobody'), 5000, 5000);
  const target = directory('merged');
  const namespace = await userNamespaces.create({ uids: ranges, gids: ranges });
  try {
    await mountOverlay({
      lower,
      upper: directory('upper'),
      work: directory('work'),
      target,
      method: 'append',
      userNamespace: namespace.descriptor,
    });
  } finally {
    namespace.close();
  }
  try {
    const ownerOf = (name: string) => {
      const { uid, gid } = lstatSync(join(target, name));
      return [uid, gid];
    };
    assert.deepEqual(ownerOf('of-root'), [300_000, 300_000]);
    assert.deepEqual(ownerOf('of-user'), [300_007, 300_008]);
    assert.deepEqual(ownerOf('of-nobody'), [65534, 65534]);
    // Copied up, it keeps what was seen.
    writeFileSync(join(target, 'of-user'), 'changed');
    assert.equal(lstatSync(join(base, 'upper/of-user')).uid, 300_007);
    assert.deepEqual(
      (await readMountTable()).filter((mount) => mount.target.includes('.idmap-')),
      [],
    );
    assert.deepEqual(
      readdirSync(base).filter((name) => name.startsWith('.idmap-')),
      [],
    );
  } finally {
    await unmount(target);
  }
});

test('a namespace that the kernel refuses says so', { skip }, async () => {
  const overlapping = [...ranges, { inside: 5, outside: 400_000, size: 10 }];
  await assert.rejects(userNamespaces.create({ uids: overlapping, gids: ranges }), {
    code: 'unavailable',
    message: /^cannot make a user namespace: /,
  });
  assert.throws(() => userNamespaces.of(2 ** 22 + 1), { code: 'unavailable' });
});
