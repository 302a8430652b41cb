import assert from 'node:assert/strict';
import { describe as group, test, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type DiffId, hexOf } from '../base/ids.ts';
import type { Filters } from '../spec/engine/filters.ts';
import {
  asStream,
  json,
  layoutOf,
  makeImage,
  openTestImages,
  sha256,
  tar,
  type TestImage,
  type TestImages,
} from './_fixture.ts';

const listed = async (t: TestImages, filters: Filters = new Map()): Promise<string[]> =>
  (await t.images.list({ sharedSize: false, manifests: false, filters })).map(
    ({ RepoTags, Id }) => RepoTags.join() || Id,
  );

async function withImages(context: TestContext, ...names: string[]): Promise<{ t: TestImages; images: TestImage[] }> {
  const t = await openTestImages(context);
  const images: TestImage[] = [];
  for (const [at, name] of names.entries()) {
    const image = await makeImage(['base', name], { created: `2024-01-0${at + 1}T00:00:00Z`, labels: { which: name } });
    await t.load([await tar(layoutOf([{ target: image.target, name }], image.blobs.values()))]);
    images.push(image);
  }
  t.events.length = 0;
  return { t, images };
}

test('tag: one more name; a name that moves; what is refused', async (context) => {
  const { t, images } = await withImages(context, 'x', 'y');
  const id = images[0]?.target.digest ?? '';
  await t.images.tag('x', 'me/app', 'v1');
  await t.images.tag(id, 'x2', '');
  await t.images.tag(hexOf(images[0]!.target.digest).slice(0, 8), 'y', 'latest');
  assert.deepEqual((await t.images.inspect('x', { manifests: false })).RepoTags, [
    'x:latest',
    'me/app:v1',
    'x2:latest',
    'y:latest',
  ]);
  assert.deepEqual(t.events, ['tag me/app:v1', 'tag x2:latest', 'tag y:latest']);
  assert.equal((await listed(t, new Map([['dangling', ['1']]])))[0], images[1]?.target.digest);
  await assert.rejects(t.images.tag('nope', 'a', 'b'), { code: 'not-found', message: 'No such image: nope:latest' });
  await assert.rejects(t.images.tag('x', `a@${id}`, ''), { message: /digest reference/ });
  await assert.rejects(t.images.tag('x', 'sha256', ''), { message: /ambiguous tag/ });
  await assert.rejects(t.images.tag('x', 'UP', ''), { code: 'invalid' });
  await assert.rejects(t.images.tag('x', 'a', 'b c'), { code: 'invalid' });
});

group('an image that a container is being made of', () => {
  const maker = { id: 'maker', runs: true };

  test('is not removed before the container is there, nor while its layers come back', async (context) => {
    const { t, images } = await withImages(context, 'x');
    for (const diffId of (await t.images.resolve('x')).layers) await t.loseLayer(diffId);
    const resolving = t.images.resolve('x', undefined, maker);
    const removing = t.images.remove('x', { force: false });
    await assert.rejects(removing, { code: 'conflict', message: /container maker is using/ });
    assert.equal((await resolving).id, images[0]?.target.digest);
    t.images.release(images[0]!.target.digest, 'maker');
    await t.images.remove('x', { force: false });
    assert.deepEqual(await t.stored(), { blobs: [], layers: [] });
  });

  test('is not found when its removal had begun', async (context) => {
    const { t } = await withImages(context, 'x');
    const removing = t.images.remove('x', { force: false });
    const resolving = t.images.resolve('x', undefined, maker);
    await assert.rejects(resolving, { code: 'not-found' });
    await removing;
    assert.deepEqual(await t.stored(), { blobs: [], layers: [] });
  });

  test('is free again when it cannot be had', async (context) => {
    const { t } = await withImages(context, 'x');
    await assert.rejects(t.images.resolve('x', 'linux/s390x', maker), { code: 'not-found' });
    await t.images.remove('x', { force: false });
  });
});

group('remove', () => {
  test('by name: untagged while there are others, deleted with the last; shared layers stay', async (context) => {
    const { t, images } = await withImages(context, 'x', 'y');
    await t.images.tag('x', 'other', '1');
    const remove = (name: string, force = false) => t.images.remove(name, { force });
    assert.deepEqual(await remove('x'), [{ Untagged: 'x:latest' }]);
    assert.deepEqual(await remove('other:1'), [{ Untagged: 'other:1' }, { Deleted: images[0]?.target.digest }]);
    assert.deepEqual(new Set((await t.stored()).layers), new Set(images[1]?.layers.map(sha256)));
    assert.deepEqual(new Set((await t.stored()).blobs), new Set(images[1]?.blobs.keys()));
    await remove('y');
    assert.deepEqual(await t.stored(), { blobs: [], layers: [] });
    await assert.rejects(remove('y'), { code: 'not-found', message: 'No such image: y:latest' });
    assert.deepEqual(
      t.events.filter((event) => !event.startsWith('tag')).map((event) => event.split(' ')[0]),
      ['untag', 'untag', 'delete', 'untag', 'delete'],
    );
  });

  test('by id: all its names; several tags need force', async (context) => {
    const { t, images } = await withImages(context, 'x');
    const id = images[0]!.target.digest;
    await t.images.tag('x', 'other', '1');
    await assert.rejects(t.images.remove(id, { force: false }), {
      code: 'conflict',
      message: `conflict: unable to delete ${hexOf(id).slice(0, 12)} (must be forced) - image is referenced in multiple repositories`,
    });
    const items = await t.images.remove(hexOf(id).slice(0, 12), { force: true });
    assert.deepEqual(items, [{ Untagged: 'x:latest' }, { Untagged: 'other:1' }, { Deleted: id }]);
    assert.deepEqual(await t.stored(), { blobs: [], layers: [] });
  });

  test('digests go with the last tag of their repository; a digest means its whole repository', async (context) => {
    const { t, images } = await withImages(context, 'x');
    const { target, manifest, blobs } = images[0]!;
    for (const [digest, bytes] of blobs) t.remote.set(digest, bytes);
    t.remote.set(target.digest, manifest);
    const digest = `x@${target.digest}`;
    const remove = (name: string, force = false) => t.images.remove(name, { force });
    const untagged = (...names: string[]) => names.map((name) => ({ Untagged: name }));
    const prepare = async (...tags: string[]) => {
      await t.pull(digest);
      for (const tag of tags) await t.images.tag(target.digest, ...(tag.split(':') as [string, string]));
    };
    await prepare('x:2', 'other:1');
    assert.deepEqual(await remove('x:2'), untagged('x:2'));
    assert.deepEqual(await remove('x'), untagged('x:latest', digest));
    await prepare('x:2');
    assert.deepEqual(await remove(digest), untagged('x:2', digest));
    assert.deepEqual(await listed(t), ['other:1']);
    await prepare();
    const refused = { code: 'conflict', message: /must be forced\) - image is referenced in multiple repositories/ };
    await assert.rejects(remove(target.digest), refused);
    await remove('other:1');
    await prepare('x:latest');
    t.images.retain(target.digest, 'user');
    assert.deepEqual(await remove('x', true), untagged('x:latest'));
    assert.deepEqual(await listed(t, new Map([['dangling', ['true']]])), [target.digest]);
    t.images.release(target.digest, 'user');
    await t.images.tag(target.digest, 'x', '1');
    await t.images.tag(target.digest, 'x', '2');
    assert.deepEqual(await remove(digest), [...untagged('x:1', 'x:2'), { Deleted: target.digest }]);
    assert.deepEqual(await t.stored(), { blobs: [], layers: [] });
  });

  test('an image that a container uses', async (context) => {
    const { t, images } = await withImages(context, 'x');
    const id = images[0]!.target.digest;
    const short = hexOf(id).slice(0, 12);
    const user = 'c'.repeat(64);
    t.images.retain(id, user);
    await assert.rejects(t.images.remove('x', { force: false }), {
      code: 'conflict',
      message: `conflict: unable to remove repository reference "x:latest" (must force) - container cccccccccccc is using its referenced image ${short}`,
    });
    await assert.rejects(t.images.remove(id, { force: false }), {
      message: `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container cccccccccccc`,
    });
    t.running.add(user);
    await assert.rejects(t.images.remove(id, { force: true }), {
      message: `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container cccccccccccc`,
    });
    assert.deepEqual(await t.images.remove('x', { force: true }), [{ Untagged: 'x:latest' }]);
    assert.equal((await t.images.resolve(id)).id, id);
    t.images.release(id, user);
    await t.images.remove(id, { force: false });
    assert.deepEqual(await t.stored(), { blobs: [], layers: [] });
  });

  test('while a load brings the same layers in again', async (context) => {
    const { t, images } = await withImages(context, 'x');
    const image = images[0]!;
    const bytes = await tar(layoutOf([{ target: image.target, name: 'y' }], image.blobs.values()));
    const middle = 6000;
    async function* body() {
      yield bytes.subarray(0, middle);
      await t.images.remove('x', { force: false });
      yield bytes.subarray(middle);
    }
    await t.load(body());
    assert.deepEqual((await t.images.resolve('y')).layers, image.layers.map(sha256));
    assert.deepEqual(new Set((await t.stored()).blobs), new Set(image.blobs.keys()));
    assert.deepEqual(new Set((await t.stored()).layers), new Set(image.layers.map(sha256)));
  });
});

group('list', () => {
  test('newest first, and every filter', async (context) => {
    const { t, images } = await withImages(context, 'x', 'y', 'me/z');
    await t.images.tag('x', 'x', '2');
    assert.deepEqual(await listed(t), ['me/z:latest', 'y:latest', 'x:latest,x:2']);
    const by = (key: string, ...values: string[]) => listed(t, new Map([[key, values]]));
    assert.deepEqual(await by('reference', 'x'), ['x:latest,x:2']);
    assert.deepEqual(await by('reference', '*:2'), ['x:2']);
    assert.deepEqual(await by('reference', '*/*'), ['me/z:latest']);
    assert.deepEqual(await by('reference', 'x', 'y'), ['y:latest', 'x:latest,x:2']);
    assert.deepEqual(await by('label', 'which=y'), ['y:latest']);
    assert.deepEqual(await by('label', 'nope'), []);
    assert.deepEqual(await by('before', 'y'), ['x:latest,x:2']);
    assert.deepEqual(await by('since', images[0]!.target.digest), ['me/z:latest', 'y:latest']);
    assert.deepEqual(await by('until', '2024-01-02T12:00:00Z'), ['y:latest', 'x:latest,x:2']);
    assert.deepEqual(await by('until', '24h'), ['me/z:latest', 'y:latest', 'x:latest,x:2']);
    assert.deepEqual(await by('dangling', 'true'), []);
    await assert.rejects(by('nope', 'x'), { code: 'invalid', message: "invalid filter 'nope'" });
    await assert.rejects(by('dangling', 'x'), { code: 'invalid' });
    await assert.rejects(by('until', '1y'), { code: 'invalid' });
    await assert.rejects(by('reference', '[a'), { code: 'invalid' });
    await assert.rejects(by('before', 'gone'), { code: 'not-found' });
  });

  test('sizes, users, labels', async (context) => {
    const { t } = await withImages(context, 'x', 'y');
    const [y] = await t.images.list({ sharedSize: true, manifests: true, filters: new Map() });
    assert.ok(y !== undefined && y.Size > 0 && y.SharedSize > 0 && y.SharedSize < y.Size);
    assert.deepEqual(y.Labels, { which: 'y' });
    assert.equal(y.Containers, 0);
    assert.equal(y.Manifests?.[0]?.Available, true);
  });
});

test('inspect and history', async (context) => {
  const { t, images } = await withImages(context, 'x');
  const { target, layers } = images[0]!;
  const view = await t.images.inspect('x', { manifests: true });
  assert.equal(view.Id, target.digest);
  assert.deepEqual(view.RepoDigests, [`x@${target.digest}`]);
  assert.deepEqual([view.Os, view.Architecture, view.Created], ['linux', 'amd64', '2024-01-01T00:00:00Z']);
  assert.deepEqual(view.RootFS, { Type: 'layers', Layers: layers.map(sha256) });
  assert.deepEqual(view.Config.Env, ['A=b']);
  assert.match(view.Metadata.LastTagTime, /^20\d\d-/);
  const history = await t.images.history('x', {});
  assert.deepEqual(
    history.map(({ CreatedBy }) => CreatedBy),
    ['CMD', 'ADD x', 'ADD base'],
  );
  assert.deepEqual(
    history.map(({ Size }) => Size > 0),
    [false, true, true],
  );
  assert.deepEqual(history[0]?.Tags, ['x:latest']);
  assert.deepEqual([history[0]?.Id, history[1]?.Id], [target.digest, '<missing>']);
  await assert.rejects(t.images.inspect('nope', { manifests: false }), { code: 'not-found' });
});

test('prune takes untagged images, or all that nobody uses', async (context) => {
  const { t, images } = await withImages(context, 'x', 'y', 'z');
  await t.images.tag('x', 'y', '');
  t.images.retain(images[2]!.target.digest, 'user');
  const first = await t.images.prune({ filters: new Map() });
  assert.deepEqual(first.ImagesDeleted, [{ Deleted: images[1]?.target.digest }]);
  assert.ok(first.SpaceReclaimed > 0);
  await t.images.prune({ filters: new Map([['dangling', ['false']]]) });
  assert.deepEqual(await listed(t), ['z:latest']);
});

test('prune tells before what it would do, and keeps the newest of each repository', async (context) => {
  const { t, images } = await withImages(context, 'x', 'y', 'z');
  await t.images.tag('x', 'y', '');
  const everything = new Map([['dangling', ['false']]]);
  const plan = await t.images.prune({ filters: everything, dryRun: true });
  assert.deepEqual(
    plan.Plan?.map(({ Id, RepoTags }) => [Id, RepoTags]),
    [
      [images[0]?.target.digest, ['x:latest', 'y:latest']],
      [images[1]?.target.digest, []],
      [images[2]?.target.digest, ['z:latest']],
    ],
  );
  assert.equal(plan.ImagesDeleted, null);
  assert.equal((await listed(t)).length, 3);
  const kept = await t.images.prune({ filters: everything, keepLast: 1 });
  assert.deepEqual(kept.ImagesDeleted, [{ Deleted: images[1]?.target.digest }]);
  const done = await t.images.prune({ filters: everything });
  assert.equal(kept.SpaceReclaimed + done.SpaceReclaimed, plan.SpaceReclaimed);
  assert.deepEqual(await listed(t), []);
});

test('prune tells what it would do: reasons, shared bytes counted once; nothing changes', async (context) => {
  const { t, images } = await withImages(context, 'x', 'y', 'z');
  t.images.retain(images[2]!.target.digest, 'user');
  const filters = new Map([['dangling', ['false']]]);
  const { ImagesDeleted, Plan = [], SpaceReclaimed } = await t.images.prune({ filters, dryRun: true });
  assert.equal(ImagesDeleted, null);
  assert.deepEqual(
    Plan.map(({ Id, RepoTags, Reason }) => [Id, RepoTags, Reason]),
    images.slice(0, 2).map(({ target }, at) => [target.digest, [`${'xy'[at]}:latest`], 'no container uses it']),
  );
  assert.deepEqual(await listed(t), ['z:latest', 'y:latest', 'x:latest']);
  assert.deepEqual(t.events, []);
  const before = await t.diskBytes();
  assert.equal((await t.images.prune({ filters })).SpaceReclaimed, SpaceReclaimed);
  assert.equal(before - (await t.diskBytes()), SpaceReclaimed);
  // The layer that z has, too, stayed, and nobody was promised its bytes.
  t.images.release(images[2]!.target.digest, 'user');
  const all = await t.images.prune({ filters, dryRun: true });
  assert.equal(all.SpaceReclaimed, await t.diskBytes());
});

test('prune takes what was not used for long; the last use outlives a restart', async (context) => {
  const { t, images } = await withImages(context, 'x', 'y');
  const hour = 3_600_000_000_000n;
  const filters = new Map([['dangling', ['false']]]);
  const unused = async () =>
    ((await t.images.prune({ filters, unusedForNs: 2n * hour, dryRun: true })).Plan ?? []).map(
      ({ RepoTags, Reason }) => [RepoTags.join(), Reason.split(' at ')[0]],
    );
  assert.deepEqual(await unused(), []);
  t.skipTime(3n * hour);
  await t.images.resolve('x');
  assert.deepEqual(await unused(), [['y:latest', 'no container uses it; never used since it came']]);
  await t.reopen();
  assert.deepEqual(await unused(), [['y:latest', 'no container uses it; never used since it came']]);
  t.images.retain(images[0]!.target.digest, 'user');
  t.skipTime(3n * hour);
  t.images.release(images[0]!.target.digest, 'user');
  assert.equal((await unused()).length, 1);
  t.skipTime(3n * hour);
  assert.deepEqual((await unused())[0], ['x:latest', 'no container uses it; last used']);
});

group('import', () => {
  const request = (body: Iterable<Uint8Array>, more: object = {}) => ({
    source: '-',
    body: asStream(body),
    repository: 'made',
    tag: '',
    message: '',
    changes: [] as string[],
    progress: () => undefined,
    signal: AbortSignal.timeout(60_000),
    ...more,
  });

  test('an archive becomes an image of one layer', async (context) => {
    const t = await openTestImages(context);
    const layer = await tar([{ name: 'bin/x', mode: 0o755, content: json('x') }]);
    const said: unknown[] = [];
    const changes = ['CMD ["/bin/x"]', 'ENV A=1', 'EXPOSE 80'];
    await t.images.import(
      request([gzipSync(layer)], {
        tag: 'v1',
        changes,
        message: 'by hand',
        platform: 'linux/arm64',
        progress: (m: unknown) => said.push(m),
      }),
    );
    const view = await t.images.inspect('made:v1', { manifests: false });
    assert.deepEqual(said, [{ status: view.Id }]);
    assert.deepEqual(view.RootFS.Layers, [sha256(layer)]);
    assert.deepEqual([view.Config.Cmd, view.Config.Env, view.Architecture], [['/bin/x'], ['A=1'], 'arm64']);
    assert.deepEqual(Object.keys(view.Config.ExposedPorts ?? {}), ['80/tcp']);
    assert.equal(view.Comment, 'by hand');
    assert.deepEqual(t.events, ['tag made:v1', `import ${view.Id}`]);
  });

  const bad: [name: string, body: Uint8Array, more: object, code: string][] = [
    ['no bytes', new Uint8Array(), {}, 'invalid'],
    ['no archive', new TextEncoder().encode('x'.repeat(2000)), {}, 'corrupt'],
    ['bzip2', new TextEncoder().encode('BZh91AY&SY'), {}, 'corrupt'],
    ['a bad change', new Uint8Array(1024), { changes: ['RUN x'] }, 'invalid'],
    ['a bad name', new Uint8Array(1024), { repository: 'a b' }, 'invalid'],
    ['a bad platform', new Uint8Array(1024), { platform: 'x/y/z/w' }, 'invalid'],
    ['a URL', new Uint8Array(1024), { source: 'file:///etc/passwd' }, 'invalid'],
  ];
  for (const [name, body, more, code] of bad) {
    test(`${name}: an error, and nothing left`, async (context) => {
      const t = await openTestImages(context);
      await assert.rejects(t.images.import(request([body], more)), { code });
      assert.deepEqual(await t.stored(), { blobs: [], layers: [] });
      assert.deepEqual(await listed(t), []);
    });
  }
});

test('a layer that was set aside is unpacked again when the image is used', async (context) => {
  const { t, images } = await withImages(context, 'x');
  const [diffId] = images[0]!.layers.map(sha256);
  await t.loseLayer(diffId as DiffId);
  assert.equal((await t.stored()).layers.length, 1);
  await t.images.resolve('x');
  assert.equal((await t.stored()).layers.length, 2);
});
