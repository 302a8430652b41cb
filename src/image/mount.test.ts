import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { conflict } from '../base/errors.ts';
import type { DiffId } from '../base/ids.ts';
import type { ImageMountPlaces } from '../spec/contract/storage.ts';
import { layoutOf, makeImage, makeIndex, openTestImages, sha256, tar, type TestImages } from './_fixture.ts';

/** Mounts in memory, and how they fail. */
function memoryMounts() {
  const mounted = new Map<string, readonly DiffId[]>();
  const failing = { mount: undefined as Error | undefined, unmount: undefined as Error | undefined };
  const places: ImageMountPlaces = {
    pathOf: (name) => `/mounts/${name}`,
    async mount(name, layers) {
      await Promise.resolve();
      if (failing.mount !== undefined) throw failing.mount;
      mounted.set(name, layers);
      return `/mounts/${name}`;
    },
    async unmount(name, { force }) {
      await Promise.resolve();
      if (failing.unmount !== undefined && !force) throw failing.unmount;
      mounted.delete(name);
    },
    async restore(wanted) {
      for (const name of mounted.keys()) if (!wanted.has(name)) mounted.delete(name);
      const failed = new Map<string, unknown>();
      for (const [name, layers] of wanted) {
        await places.mount(name, layers).catch((error: unknown) => failed.set(name, error));
      }
      return failed;
    },
  };
  return { mounted, failing, places };
}

async function withImage(context: TestContext) {
  const mounts = memoryMounts();
  const t = await openTestImages(context, undefined, mounts.places);
  const image = await makeImage(['a', 'b']);
  await t.load([await tar(layoutOf([{ target: image.target, name: 'x' }], image.blobs.values()))]);
  return { ...mounts, t, image };
}

const counts = ({ images }: TestImages): number[] => images.mounts().map(({ Count }) => Count);

test('mounts by the manifest, counts, and unmounts with the last', async (context) => {
  const { t, image, mounted } = await withImage(context);
  const view = await t.images.mount('x', {});
  assert.deepEqual(view, {
    ...view,
    Id: image.target.digest,
    RepoTags: ['x:latest'],
    Platform: 'linux/amd64',
    Count: 1,
  });
  assert.deepEqual([...mounted.values()], [image.layers.map(sha256)]);
  assert.equal((await t.images.mount(image.target.digest, {})).Path, view.Path);
  assert.deepEqual(counts(t), [2]);
  await t.images.unmount('x', { force: false });
  assert.deepEqual([counts(t), mounted.size], [[1], 1]);
  await t.images.unmount('x', { force: false });
  assert.deepEqual([counts(t), mounted.size], [[], 0]);
  await assert.rejects(t.images.unmount('x', { force: false }), { code: 'not-found', message: /is not mounted/ });
  assert.deepEqual(
    t.events.slice(-4).map((event) => event.split(' ')[0]),
    ['mount', 'mount', 'unmount', 'unmount'],
  );
});

test('what cannot be mounted is not counted, what is busy stays, and force takes all', async (context) => {
  const { t, failing, mounted } = await withImage(context);
  failing.mount = conflict('no mounts today');
  await assert.rejects(t.images.mount('x', {}), { message: 'no mounts today' });
  assert.deepEqual(t.images.mounts(), []);
  failing.mount = undefined;
  await t.images.mount('x', {});
  failing.unmount = conflict('busy');
  await assert.rejects(t.images.unmount('x', { force: false }), { message: 'busy' });
  await t.images.mount('x', {});
  assert.deepEqual(counts(t), [2]);
  await t.images.unmount('x', { force: true });
  assert.deepEqual([counts(t), mounted.size], [[], 0]);
  await t.images.remove('x', { force: false });
});

test('mounting and removing at once: the image is mounted and stays, or is gone', async (context) => {
  const { t, image, mounted } = await withImage(context);
  for (let round = 0; round < 20; round++) {
    const both = [() => t.images.mount('x', {}), () => t.images.remove('x', { force: true })];
    const [first, second] = await Promise.allSettled((round % 2 === 0 ? both : both.toReversed()).map((run) => run()));
    assert.notEqual(first?.status === 'fulfilled' && second?.status === 'fulfilled', true, `round ${round}`);
    const isThere = t.images.count() === 1;
    assert.equal(mounted.size === 1, isThere);
    if (isThere) await t.images.unmount('x', { force: false });
    else await t.load([await tar(layoutOf([{ target: image.target, name: 'x' }], image.blobs.values()))]);
  }
});

test('after a restart: mounted again with its count; what cannot be is forgotten', async (context) => {
  const { t, failing, mounted } = await withImage(context);
  const { Path } = await t.images.mount('x', {});
  await t.images.mount('x', {});
  mounted.clear();
  await t.reopen();
  await t.images.sweep();
  assert.deepEqual(
    t.images.mounts().map((mount) => [mount.Path, mount.Count]),
    [[Path, 2]],
  );
  await t.journal.commit({
    records: [
      { op: 'put', kind: 'image-mount', id: sha256(new Uint8Array([1])), value: { image: 'x' } },
      { op: 'put', kind: 'image-mount', id: 'no digest', value: 7 },
    ],
  });
  failing.mount = conflict('no mounts today');
  await t.reopen();
  await t.images.sweep();
  assert.deepEqual(t.images.mounts(), []);
  assert.deepEqual(await t.journal.load('image-mount'), []);
  await t.images.remove('x', { force: false });
});

test('one platform of several: the others may go', async (context) => {
  const { places } = memoryMounts();
  const t = await openTestImages(context, undefined, places);
  const [intel, arm] = [await makeImage(['a', 'i']), await makeImage(['a', 'm'], { architecture: 'arm64' })];
  const index = makeIndex([
    { image: intel, architecture: 'amd64' },
    { image: arm, architecture: 'arm64' },
  ]);
  const blobs = [index.bytes, ...intel.blobs.values(), ...arm.blobs.values()];
  await t.load([await tar(layoutOf([{ target: index.target, name: 'x' }], blobs))]);
  await t.images.mount('x', {});
  await t.images.mount('x', { platform: 'linux/arm64' });
  assert.deepEqual(
    t.images.mounts().map(({ Platform }) => Platform),
    ['linux/amd64', 'linux/arm64'],
  );
  await assert.rejects(t.images.unmount('x', { force: false }), { code: 'conflict', message: /several platforms/ });
  await t.images.unmount('x', { platform: 'linux/arm64', force: false });
  await assert.rejects(t.images.remove('x', { force: true, platforms: ['linux/amd64'] }), { message: /is mounted at/ });
  await t.images.remove('x', { force: true, platforms: ['linux/arm64'] });
  await assert.rejects(t.images.remove('x', { force: false }), { message: /cannot be forced.*is mounted at/ });
});
