import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Digest } from '../base/ids.ts';
import {
  asStream,
  json,
  layoutOf,
  makeImage,
  makeIndex,
  openTestImages,
  sha256,
  tar,
  type TestImages,
} from './_fixture.ts';

async function twoPlatforms(context: TestContext) {
  const t = await openTestImages(context);
  const amd = await makeImage(['base', 'amd']);
  const arm = await makeImage(['base', 'arm'], { architecture: 'arm64' });
  const { bytes, target } = makeIndex([
    { image: amd, architecture: 'amd64' },
    { image: arm, architecture: 'arm64' },
  ]);
  const blobs = new Map([[target.digest, bytes], ...amd.blobs, ...arm.blobs]);
  await t.load([await tar(layoutOf([{ target, name: 'x' }], blobs.values()))]);
  return { t, amd, arm, target, blobs };
}

test('the content of one platform goes, what others have stays, and a pull brings it back', async (context) => {
  const { t, amd, arm, target, blobs } = await twoPlatforms(context);
  const remove = (...platforms: string[]) => t.images.remove('x', { force: true, platforms });
  await assert.rejects(t.images.remove('x', { force: false, platforms: ['linux/arm64'] }), {
    code: 'invalid',
    message: /Use —-force to force delete/,
  });
  await assert.rejects(remove('linux/arm64', 'linux/s390x'), { code: 'not-found', message: /linux\/s390x/ });
  assert.equal((await t.stored()).blobs.length, blobs.size);
  assert.deepEqual(await remove('linux/arm64'), [{ Deleted: arm.target.digest }]);
  const left = new Set([target.digest, ...amd.blobs.keys()]);
  assert.deepEqual(new Set((await t.stored()).blobs), left);
  assert.deepEqual(new Set((await t.stored()).layers), new Set(amd.layers.map(sha256)));
  const manifests = async () => (await t.images.inspect('x', { manifests: true })).Manifests ?? [];
  assert.deepEqual(
    (await manifests()).map(({ Available }) => Available),
    [true, false],
  );
  await t.reopen();
  assert.deepEqual(
    (await manifests()).map(({ Available }) => Available),
    [true, false],
  );
  await assert.rejects(remove('linux/arm64'), { code: 'not-found' });
  for (const [digest, bytes] of blobs) t.remote.set(digest, bytes);
  t.remote.set('latest', blobs.get(target.digest)!);
  await t.pull('x:latest', 'linux/arm64');
  assert.deepEqual(
    (await manifests()).map(({ Available }) => Available),
    [true, true],
  );
});

test('when the last platform goes an index keeps its name, an image without one goes whole', async (context) => {
  const { t, target } = await twoPlatforms(context);
  const all = ['linux/amd64', 'linux/arm64'];
  await t.images.remove('x', { force: true, platforms: all });
  const view = await t.images.inspect('x', { manifests: false });
  assert.deepEqual([view.Id, view.Architecture, view.RepoTags], [target.digest, '', ['x:latest']]);
  assert.deepEqual((await t.stored()).blobs, [target.digest]);
  const single = await makeImage(['single']);
  await t.load([await tar(layoutOf([{ target: single.target, name: 'y' }], single.blobs.values()))]);
  const items = await t.images.remove('y', { force: true, platforms: ['linux/amd64'] });
  assert.deepEqual(items, [{ Untagged: 'y:latest' }, { Deleted: single.target.digest }]);
});

test('the platform that a running container runs stays, that of a stopped one goes by force', async (context) => {
  const { t, amd, arm, target } = await twoPlatforms(context);
  t.images.retain(target.digest, 'c'.repeat(64), amd.target.digest);
  t.running.add('c'.repeat(64));
  await assert.rejects(t.images.remove('x', { force: true, platforms: ['linux/amd64'] }), {
    code: 'conflict',
    message: /cannot be forced\) - image is being used by running container cccccccccccc/,
  });
  await t.images.remove('x', { force: true, platforms: ['linux/arm64'] });
  t.running.clear();
  assert.deepEqual(await t.images.remove('x', { force: true, platforms: ['linux/amd64'] }), [
    { Deleted: amd.target.digest },
  ]);
  assert.ok(!(await t.stored()).blobs.includes(arm.target.digest));
});

/** Commits onto an image, one layer each time; resolves with the ids. */
async function chain(t: TestImages, from: Digest, ...names: string[]): Promise<Digest[]> {
  const ids: Digest[] = [];
  for (const name of names) {
    const image = await t.images.resolve(ids.at(-1) ?? from);
    const layer = asStream([await tar([{ name: name || 'nameless', content: json(name) }])]);
    const common = { author: '', comment: '', createdBy: 'test', tag: '', config: image.config.config };
    const request = { ...common, image: image.id, manifest: image.manifest.digest, layer, repository: name };
    ids.push((await t.images.commit({ ...request, signal: AbortSignal.timeout(60_000) })).id);
  }
  return ids;
}

test('images without a name that a removed one was made from go too, unless somebody stands on them', async (context) => {
  const t = await openTestImages(context);
  const base = await makeImage(['base']);
  await t.load([await tar(layoutOf([{ target: base.target, name: 'base' }], base.blobs.values()))]);
  const id = base.target.digest;
  const [one, two, top] = await chain(t, id, '', '', 'top');
  const listed = async (all: boolean) =>
    new Set(
      (await t.images.list({ all, sharedSize: false, manifests: false, filters: new Map() })).map(({ Id }) => Id),
    );
  assert.deepEqual(await listed(false), new Set([id, top]));
  assert.deepEqual(await listed(true), new Set([id, one, two, top]));
  assert.equal((await t.images.inspect('top', { manifests: false })).Parent, two);
  assert.deepEqual(await t.images.remove('top', { force: false }), [
    { Untagged: 'top:latest' },
    ...[top, two, one].map((Deleted) => ({ Deleted })),
  ]);
  assert.deepEqual(await listed(true), new Set([id]));

  const [again = id] = await chain(t, id, '');
  await chain(t, again, 'left');
  await chain(t, again, 'right');
  assert.equal((await t.images.remove('left', { force: false })).length, 2);
  assert.equal((await t.images.remove('right', { force: false, noPrune: true })).length, 2);
  assert.deepEqual(await listed(true), new Set([id, again]));

  const [used] = await chain(t, again, 'kept');
  t.images.retain(again, 'user');
  assert.deepEqual(await t.images.remove('kept', { force: false }), [{ Untagged: 'kept:latest' }, { Deleted: used }]);
  t.images.release(again, 'user');
});
