import assert from 'node:assert/strict';
import { lstat, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type ContainerId, type DiffId, newContainerId } from '../../base/ids.ts';
import { silentLogger } from '../../base/log.ts';
import { unmount } from '../../sys/mount/mount.ts';
import { readMountTable } from '../../sys/mount/table.ts';
import { type TestMember, testArchive } from '../layers/contract.ts';
import { openStore, type Store } from '../open.ts';

const skip = process.getuid?.() === 0 ? false : 'mounting needs root';

interface Fixture {
  readonly root: string;
  store: Store;
  layer(members: readonly TestMember[]): Promise<DiffId>;
  /** Opens the store again, as the next engine would. */
  reopen(known: readonly ContainerId[]): Promise<Store>;
}

async function fixture(t: TestContext): Promise<Fixture> {
  const root = await mkdtemp(join(tmpdir(), 'snapshots-'));
  const store = await openStore({ dataRoot: root, log: silentLogger });
  await store.snapshots.restore(new Set());
  t.after(async () => {
    const ours = (await readMountTable()).filter(({ target }) => target.startsWith(`${root}/`));
    for (const { target } of ours.reverse()) await unmount(target, { lazy: true });
    await rm(root, { recursive: true });
  });
  const made: Fixture = {
    root,
    store,
    async layer(members) {
      const path = join(root, 'archive');
      await writeFile(path, testArchive(members));
      return (await made.store.layers.ingest(path)).diffId;
    },
    async reopen(known) {
      made.store = await openStore({ dataRoot: root, log: silentLogger });
      await made.store.snapshots.restore(new Set(known));
      return made.store;
    },
  };
  return made;
}

const mountsBelow = async (root: string): Promise<number> =>
  (await readMountTable()).filter(({ target }) => target.startsWith(`${root}/mounts/`)).length;

test('a container sees its layers, upper ones first, and writes into its own', { skip }, async (t) => {
  const f = await fixture(t);
  const low = await f.layer([{ name: 'a', content: 'low' }, { name: 'b', content: 'low' }, { name: 'd/x' }]);
  const high = await f.layer([{ name: 'a', content: 'high' }, { name: '.wh.b' }, { name: 'd/.wh..wh..opq' }]);
  const id = newContainerId();
  const { snapshots } = f.store;
  await snapshots.prepare(id, [low, high]);
  await assert.rejects(snapshots.prepare(id, [low]), { code: 'conflict' });
  const path = await snapshots.mount(id, ['dev', 'proc', 'sys']);
  assert.equal(await snapshots.mount(id, []), path);
  assert.deepEqual((await readdir(path)).sort(), ['a', 'd', 'dev', 'proc', 'sys']);
  assert.equal(await readFile(join(path, 'a'), 'utf8'), 'high');
  assert.deepEqual(await readdir(join(path, 'd')), []);
  assert.equal((await lstat(path)).mode & 0o777, 0o755);
  await writeFile(join(path, 'new'), 'x'.repeat(5000));
  assert.deepEqual(await snapshots.usage(id), { writable: 5000, layers: 10 });
  await snapshots.unmount(id);
  await snapshots.unmount(id);
  assert.equal(await readFile(join(await snapshots.mount(id, []), 'new'), 'utf8'), 'x'.repeat(5000));
  await snapshots.remove(id);
  await snapshots.remove(id);
  await assert.rejects(snapshots.mount(id, []), { code: 'not-found' });
  await f.store.close();
  assert.equal(await mountsBelow(f.root), 0);
});

test('links at guarded names are replaced before anything is mounted', { skip }, async (t) => {
  const f = await fixture(t);
  const evil = await f.layer([
    { name: 'dev', type: 'symlink', linkName: '/tmp/evil' },
    { name: 'proc/', type: 'directory' },
    { name: 'sys', content: 'a file' },
  ]);
  const id = newContainerId();
  await f.store.snapshots.prepare(id, [evil, await f.layer([{ name: 'other' }])]);
  const guard = ['dev', 'proc', 'sys'];
  const path = await f.store.snapshots.mount(id, guard);
  for (const name of guard) assert.ok((await lstat(join(path, name))).isDirectory(), name);
  // What the container made of them is no better.
  await rm(join(path, 'dev'), { recursive: true });
  await rm(join(path, 'proc'), { recursive: true });
  await symlink('/tmp/evil', join(path, 'proc'));
  await f.store.snapshots.unmount(id);
  await f.store.snapshots.mount(id, guard);
  for (const name of guard) assert.ok((await lstat(join(path, name))).isDirectory(), name);
  await f.store.snapshots.remove(id);
});

test('a passing layer can be mounted again, and so can one that the host’s end cut off', { skip }, async (t) => {
  const f = await fixture(t);
  const id = newContainerId();
  await f.store.snapshots.prepare(id, [await f.layer([{ name: 'a' }])]);
  const passing = { passing: true };
  const path = await f.store.snapshots.mount(id, [], passing);
  const own = (await readMountTable()).find(({ target }) => target === path);
  // Newer kernels show it as `fsync=volatile`.
  assert.ok(own?.superOptions.some((option) => option.endsWith('volatile')));
  await writeFile(join(path, 'mine'), 'x');
  await f.store.snapshots.unmount(id);
  assert.equal(await readFile(join(await f.store.snapshots.mount(id, [], passing), 'mine'), 'utf8'), 'x');
  await f.store.snapshots.remove(id);
});

test('an image without layers, and one with 70, of which one comes twice, can be mounted', { skip }, async (t) => {
  const f = await fixture(t);
  const none = newContainerId();
  await f.store.snapshots.prepare(none, []);
  assert.deepEqual((await readdir(await f.store.snapshots.mount(none, ['dev']))).sort(), ['dev']);
  const many: DiffId[] = [];
  for (let i = 0; i < 70; i++) many.push(await f.layer([{ name: `f${i}` }]));
  const id = newContainerId();
  await f.store.snapshots.prepare(id, [...many, ...many.slice(0, 1)]);
  assert.equal((await readdir(await f.store.snapshots.mount(id, []))).length, 70);
  await f.store.snapshots.remove(id);
  await f.store.snapshots.remove(none);
});

test('the next engine adopts what is mounted and sweeps the rest', { skip }, async (t) => {
  const f = await fixture(t);
  const layer = await f.layer([{ name: 'a', content: 'a' }]);
  const [kept, stopped, unknown] = [newContainerId(), newContainerId(), newContainerId()];
  for (const id of [kept, stopped, unknown]) await f.store.snapshots.prepare(id, [layer]);
  const path = await f.store.snapshots.mount(kept, []);
  await writeFile(join(path, 'mine'), 'x');
  await f.store.snapshots.mount(unknown, []);

  const next = await f.reopen([kept, stopped]);
  assert.equal(next.layers.users(layer), 1);
  assert.equal(await next.snapshots.mount(kept, []), path);
  assert.equal(await readFile(join(path, 'mine'), 'utf8'), 'x');
  assert.deepEqual((await readdir(join(f.root, 'snapshots'))).sort(), [kept, stopped].sort());
  assert.equal(await mountsBelow(f.root), 2);
  await assert.rejects(next.layers.delete(layer), { code: 'conflict' });
  await next.snapshots.remove(kept);
  await next.snapshots.remove(stopped);
  await next.layers.delete(layer);
  assert.equal(await mountsBelow(f.root), 0);
});

test('garbage is what nobody refers to, holds or has mounted', { skip }, async (t) => {
  const f = await fixture(t);
  const { store } = f;
  const [used, live, leased, garbage] = [
    await f.layer([{ name: 'used' }]),
    await f.layer([{ name: 'live' }]),
    await f.layer([{ name: 'leased' }]),
    await f.layer([{ name: 'garbage' }]),
  ];
  const blob = await store.blobs.put(Buffer.from('blob'));
  const liveBlob = await store.blobs.put(Buffer.from('live blob'));
  const id = newContainerId();
  await store.snapshots.prepare(id, [used]);
  const lease = store.lease();
  await lease.layer(leased);
  const report = await store.collectGarbage(() => ({ blobs: new Set([liveBlob.digest]), layers: new Set([live]) }));
  assert.deepEqual(report.layers, [garbage]);
  assert.deepEqual(report.blobs, [blob.digest]);
  assert.deepEqual(new Set(store.layers.list().map((info) => info.diffId)), new Set([used, live, leased]));
  const again = await store.collectGarbage(() => {
    // Released in the middle: it may be live by now, so it stays for this time.
    setImmediate(() => lease.release());
    return { blobs: new Set([liveBlob.digest]), layers: new Set([live]) };
  });
  assert.deepEqual(again.layers, []);
  assert.deepEqual((await store.collectGarbage(() => ({ blobs: new Set(), layers: new Set() }))).layers.length, 2);
  let told = 0;
  store.onGarbage(() => told++);
  const other = newContainerId();
  await store.snapshots.prepare(other, [used]);
  await store.snapshots.remove(other);
  assert.equal(told, 0, 'another container needs the layer');
  await store.snapshots.remove(id);
  assert.equal(told, 1);
});
