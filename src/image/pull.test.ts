import assert from 'node:assert/strict';
import { describe as group, test } from 'node:test';
import { noFilters } from '../spec/engine/filters.ts';
import {
  describe,
  json,
  makeImage,
  makeIndex,
  openTestImages,
  sha256,
  type TestImage,
  type TestImages,
} from './_fixture.ts';
import { mediaTypes } from '../spec/oci/image.ts';
import { nameToPull } from './pull.ts';
import type { Digest } from '../base/ids.ts';
import { formatReference } from '../spec/reference/reference.ts';

const list = { sharedSize: false, manifests: false, filters: noFilters };

function publish(t: TestImages, image: TestImage, tag?: string): void {
  for (const [digest, bytes] of image.blobs) t.remote.set(digest, bytes);
  if (tag !== undefined) t.remote.set(tag, image.manifest);
}

test('nameToPull', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const full = (text: string, tag?: string) => formatReference(nameToPull(text, tag));
  assert.equal(full('x'), 'docker.io/library/x');
  assert.equal(full('x:1'), 'docker.io/library/x:1');
  assert.equal(full('x', '1'), 'docker.io/library/x:1');
  assert.equal(full('x:1', '2'), 'docker.io/library/x:2');
  assert.equal(full('x', digest), `docker.io/library/x@${digest}`);
  assert.equal(full(`x:1@${digest}`), `docker.io/library/x@${digest}`);
  assert.throws(() => full('x', 'a/b'), { code: 'invalid' });
  assert.throws(() => full('scratch', 'latest'), { code: 'invalid', message: "'scratch' is a reserved name" });
});

group('pull', () => {
  test('a manifest by tag: progress, name, events, then up to date', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a', 'b']);
    publish(t, image, '1');
    const messages = await t.pull('me/x:1');
    const statuses = messages.map(({ status }) => status);
    assert.deepEqual(messages[0], { status: 'Pulling from me/x', id: '1' });
    assert.equal(statuses.filter((status) => status === 'Pulling fs layer').length, 2);
    assert.equal(statuses.filter((status) => status === 'Pull complete').length, 2);
    assert.deepEqual(statuses.slice(-2), [
      `Digest: ${image.target.digest}`,
      'Status: Downloaded newer image for me/x:1',
    ]);
    assert.deepEqual((await t.images.resolve('me/x:1')).layers, image.layers.map(sha256));
    const again = (await t.pull('me/x:1')).map(({ status }) => status);
    const last = [`Digest: ${image.target.digest}`, 'Status: Image is up to date for me/x:1'];
    assert.deepEqual(again, ['Pulling from me/x', ...last]);
    assert.deepEqual(t.events, ['pull me/x', 'pull me/x']);
    // Its digest was there with the tag.
    const pinned = `me/x@${image.target.digest}`;
    const byDigest = await t.pull(pinned);
    assert.equal(byDigest[0]?.id, `docker.io/${pinned}`);
    assert.equal(byDigest.at(-1)?.status, `Status: Image is up to date for ${pinned}`);
  });

  test('the platform is chosen out of an index; others can come later', async (context) => {
    const t = await openTestImages(context);
    const [amd, arm] = [await makeImage(['a']), await makeImage(['b'], { architecture: 'arm64' })];
    const index = makeIndex([
      { image: arm, architecture: 'arm64' },
      { image: amd, architecture: 'amd64' },
    ]);
    publish(t, amd);
    publish(t, arm);
    t.remote.set('latest', index.bytes);
    await t.pull('x');
    assert.equal((await t.images.resolve('x')).manifest.digest, amd.target.digest);
    assert.equal((await t.images.resolve('x')).id, index.target.digest);
    assert.equal((await t.stored()).layers.length, 1);
    await assert.rejects(t.images.resolve('x', 'linux/arm64'), { code: 'not-found' });
    await t.pull('x', 'linux/arm64');
    assert.equal((await t.images.resolve('x', 'linux/arm64')).manifest.digest, arm.target.digest);
    assert.equal((await t.images.resolve('x')).manifest.digest, amd.target.digest);
    await assert.rejects(t.pull('x', 'linux/s390x'), {
      code: 'not-found',
      message: 'no matching manifest for linux/s390x in the manifest list entries',
    });
    await assert.rejects(t.pull('x', 'no/such/plat/form'), { code: 'invalid' });
  });

  test('by digest: no tag, but a repository digest', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a']);
    publish(t, image);
    await t.pull(`x@${image.target.digest}`);
    const [summary] = await t.images.list(list);
    assert.deepEqual(summary?.RepoTags, []);
    assert.deepEqual(summary?.RepoDigests, [`x@${image.target.digest}`]);
    assert.equal((await t.images.resolve(`x@${image.target.digest}`)).id, image.target.digest);
    await assert.rejects(t.images.resolve(`y@${image.target.digest}`), { code: 'not-found' });
  });

  test('a digest that was pulled beside a tag goes with the tag', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a']);
    publish(t, image, '1');
    await t.pull('x:1');
    await t.pull(`x@${image.target.digest}`);
    const items = await t.images.remove('x:1', { force: false });
    assert.deepEqual(items, [
      { Untagged: 'x:1' },
      { Untagged: `x@${image.target.digest}` },
      { Deleted: image.target.digest },
    ]);
    assert.deepEqual(await t.stored(), { blobs: [], layers: [] });
  });

  test('two pulls at once of images that share layers', async (context) => {
    const t = await openTestImages(context);
    const [first, second] = [await makeImage(['a', 'b']), await makeImage(['a', 'b', 'c'])];
    publish(t, first, '1');
    publish(t, second, '2');
    await Promise.all([t.pull('x:1'), t.pull('x:2'), t.pull('y:1')]);
    assert.equal((await t.stored()).layers.length, 3);
    assert.equal((await t.images.list(list)).length, 2);
  });

  const failures: [name: string, spoil: (t: TestImages, image: TestImage) => void, code: string, message: RegExp][] = [
    [
      'a layer with other bytes',
      (t, i) => t.remote.set(sha256(i.layers[1] ?? json(0)), new Uint8Array(i.layers[1]?.length ?? 0)),
      'corrupt',
      /filesystem layer verification failed for digest sha256:/,
    ],
    [
      'a layer that is too short',
      (t, i) => t.remote.set(sha256(i.layers[1] ?? json(0)), json('x')),
      'corrupt',
      /verification failed/,
    ],
    [
      'a layer that is missing',
      (t, i) => t.remote.delete(sha256(i.layers[0] ?? json(0))),
      'not-found',
      /not in the registry/,
    ],
    [
      'a config with other bytes',
      (t, i) => t.remote.set(sha256(i.config), new Uint8Array(i.config.length)),
      'corrupt',
      /digest/,
    ],
    ['no manifest', (t) => t.remote.delete('latest'), 'not-found', /latest/],
    ['a manifest that is none', (t) => t.remote.set('latest', json([1])), 'invalid', /must be an object/],
    [
      'a layer that cannot fit on the disk',
      (t, i) => {
        const config = describe(mediaTypes.ociConfig, i.config);
        const layers = i.layers.map((layer) => ({ ...describe(mediaTypes.ociLayer, layer), size: 2 ** 52 }));
        t.remote.set('latest', json({ schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers }));
      },
      'no-space',
      /no space left on device/,
    ],
    [
      'an artifact',
      (t, i) => {
        const manifest = json({
          schemaVersion: 2,
          mediaType: mediaTypes.ociManifest,
          config: describe('application/vnd.cncf.helm.config.v1+json', i.config),
          layers: [],
        });
        t.remote.set('latest', manifest);
      },
      'invalid',
      /^Encountered remote "application\/vnd\.cncf\.helm\.config\.v1\+json"\(unknown\) when fetching/,
    ],
    [
      'a foreign layer',
      (t, i) => {
        const config = describe(mediaTypes.ociConfig, i.config);
        const layers = i.layers.map((layer) =>
          describe('application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', layer),
        );
        t.remote.set('latest', json({ schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers }));
      },
      'invalid',
      /is a foreign layer/,
    ],
    [
      'schema 1',
      (t) => t.remote.set('latest', json({ schemaVersion: 1, name: 'x', tag: 'latest', fsLayers: [] })),
      'invalid',
      /outdated/,
    ],
    [
      'an index that contains itself',
      (t) => {
        const inner = json({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] });
        const platform = { os: 'linux', architecture: 'amd64' };
        const manifests = [{ ...describe(mediaTypes.ociManifest, inner), platform }];
        t.remote.set(sha256(inner), inner);
        t.remote.set('latest', json({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }));
      },
      'invalid',
      /came as application/,
    ],
    [
      'a document with layers and manifests',
      (t, i) => {
        const config = describe(mediaTypes.ociConfig, i.config);
        t.remote.set('latest', json({ schemaVersion: 2, config, layers: [], manifests: [] }));
      },
      'invalid',
      /two different images/,
    ],
    [
      'a hundred thousand layers',
      (t, i) => {
        const config = describe(mediaTypes.ociConfig, i.config);
        const layer = { mediaType: '', digest: sha256(i.config), size: 1 };
        const layers = Array.from({ length: 30_000 }, () => layer);
        t.remote.set('latest', json({ schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers }));
      },
      'invalid',
      /layers/,
    ],
  ];
  for (const [name, spoil, code, message] of failures) {
    test(`${name}: an error, and nothing left`, async (context) => {
      const t = await openTestImages(context);
      const image = await makeImage(['a', 'b']);
      publish(t, image, 'latest');
      spoil(t, image);
      await assert.rejects(t.pull('x:latest'), { code, message });
      assert.deepEqual(await t.images.list(list), []);
      assert.deepEqual(await t.stored(), { blobs: [], layers: [] });
      assert.deepEqual(t.events, []);
    });
  }

  test('a download that broke goes on where it ended, also after a restart, and layers that were complete stay', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a', 'b']);
    publish(t, image, '1');
    const [layer, whole] = image.layers.map(sha256) as [Digest, Digest];
    t.cuts.set(layer, 1000);
    await assert.rejects(t.pull('x:1'), { code: 'unavailable' });
    t.cuts.clear();
    await t.reopen();
    await t.images.sweep();
    t.asked.length = 0;
    await t.pull('x:1');
    assert.deepEqual(t.asked, [[layer, 1000]]);
    assert.deepEqual((await t.images.resolve('x:1')).layers, [layer, whole]);
    await t.images.remove('x:1', { force: false });
    assert.deepEqual(await t.stored(), { blobs: [], layers: [] });
  });

  test('what broken pulls have left is counted, and goes with a prune: by age, and never under a pull', async (context) => {
    const t = await openTestImages(context);
    const [broken, kept] = [await makeImage(['a', 'b']), await makeImage(['b', 'c'])];
    publish(t, broken, 'broken');
    publish(t, kept, 'kept');
    await t.pull('x:kept');
    assert.equal(await t.images.leftoverBytes(), 0);
    const layer = sha256(broken.layers[0] ?? json(0));
    t.cuts.set(layer, 1000);
    await assert.rejects(t.pull('x:broken'), { code: 'unavailable' });
    const before = await t.diskBytes();
    const left = await t.images.leftoverBytes();
    assert.ok(left > 1000 && left < before, `${left} of ${before} bytes`);
    const prune = (filters: [string, string][], more: object = {}) =>
      t.images.prune({ filters: new Map(filters.map(([key, value]) => [key, [value]])), ...more });
    const planned = await prune([], { dryRun: true });
    assert.deepEqual(planned.Plan, [{ Id: '', RepoTags: [], Reason: 'what 1 broken pulls have left', Freed: left }]);
    assert.equal((await prune([['label', 'a']])).SpaceReclaimed, 0);
    assert.equal((await prune([], { unusedForNs: 3_600_000_000_000n })).SpaceReclaimed, 0);
    t.cuts.clear();
    const { begun, release } = t.hold(layer);
    const pulling = t.pull('x:broken');
    await begun;
    assert.equal((await prune([])).SpaceReclaimed, 0);
    release();
    await pulling;
    await t.images.remove('x:broken', { force: false });
    t.cuts.set(layer, 1000);
    await assert.rejects(t.pull('x:broken'), { code: 'unavailable' });
    assert.equal((await prune([])).SpaceReclaimed, left);
    assert.equal(await t.images.leftoverBytes(), 0);
    t.cuts.clear();
    t.asked.length = 0;
    await t.pull('x:broken');
    assert.deepEqual(
      t.asked.filter(([digest]) => digest === layer),
      [[layer, 0]],
    );
  });

  test('what was kept of a broken pull goes when the same turns out to be wrong', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a', 'b']);
    publish(t, image, '1');
    const layer = sha256(image.layers[0] ?? json(0));
    t.cuts.set(layer, 1000);
    await assert.rejects(t.pull('x:1'), { code: 'unavailable' });
    assert.ok((await t.stored()).blobs.includes(sha256(image.layers[1] ?? json(0))));
    t.cuts.clear();
    t.remote.set(layer, new Uint8Array(image.layers[0]?.length ?? 0).fill(7));
    await assert.rejects(t.pull('x:1'), { code: 'corrupt' });
    assert.deepEqual(await t.stored(), { blobs: [], layers: [] });
  });

  test('when what an earlier attempt left was wrong, the whole is brought anew', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a']);
    publish(t, image, '1');
    const bytes = image.layers[0] ?? json(0);
    const layer = sha256(bytes);
    t.remote.set(layer, new Uint8Array(bytes.length).fill(7));
    t.cuts.set(layer, 1000);
    await assert.rejects(t.pull('x:1'), { code: 'unavailable' });
    t.cuts.clear();
    t.remote.set(layer, bytes);
    t.asked.length = 0;
    await t.pull('x:1');
    assert.deepEqual(t.asked, [
      [layer, 1000],
      [layer, 0],
    ]);
    assert.deepEqual((await t.images.resolve('x:1')).layers, [layer]);
  });

  test('all tags, one after the other, with one word at the end', async (context) => {
    const t = await openTestImages(context);
    for (const tag of ['1', '2']) publish(t, await makeImage([tag]), tag);
    const messages = await t.pull('me/x');
    const statuses = messages.map(({ status }) => status);
    assert.deepEqual(
      messages.filter(({ status }) => status === 'Pulling from me/x').map(({ id }) => id),
      ['1', '2'],
    );
    assert.equal(statuses.filter((status) => status?.startsWith('Digest: ')).length, 2);
    assert.deepEqual(
      statuses.filter((status) => status?.startsWith('Status: ')),
      ['Status: Downloaded newer image for me/x'],
    );
    assert.equal((await t.pull('me/x')).at(-1)?.status, 'Status: Image is up to date for me/x');
    assert.deepEqual((await t.images.list(list)).flatMap(({ RepoTags }) => RepoTags).sort(), ['me/x:1', 'me/x:2']);
  });

  test('all tags, past indexes of what refers to an image, but not past images for other platforms', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a']);
    publish(t, image, '1');
    const artifactType = 'application/vnd.dev.sigstore.bundle.v0.3+json';
    const index = (more: object): Uint8Array =>
      json({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [{ ...image.target, ...more }] });
    t.remote.set('referrers', index({ artifactType }));
    const messages = await t.pull('me/x');
    assert.deepEqual(
      messages.filter(({ id }) => id === 'referrers').map(({ status }) => status),
      ['Pulling from me/x', 'Skipped: it is no image (an index without images)'],
    );
    assert.deepEqual(
      (await t.images.list(list)).flatMap(({ RepoTags }) => RepoTags),
      ['me/x:1'],
    );
    t.remote.set('other', index({ platform: { os: 'windows', architecture: 'amd64' } }));
    await assert.rejects(t.pull('me/x'), { code: 'not-found', message: /^no matching manifest for / });
  });

  test('two pulls of the same layers share the transfer; one that is cancelled does not stop the other', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a']);
    publish(t, image, '1');
    const layer = sha256(image.layers[0] ?? json(0));
    const { begun, release } = t.hold(layer);
    const cancelled = new AbortController();
    const heard: [string[], string[]] = [[], []];
    const pull = (at: 0 | 1, signal: AbortSignal) =>
      t.images.pull({
        reference: 'x:1',
        signal,
        progress: ({ id, status }) => id === layer.slice(7, 19) && heard[at].push(status ?? ''),
      });
    const first = pull(0, cancelled.signal);
    await begun;
    const second = pull(1, AbortSignal.timeout(60_000));
    while (!heard[1].includes('Pulling fs layer')) await new Promise(setImmediate);
    cancelled.abort();
    await assert.rejects(first, { code: 'cancelled' });
    release();
    await second;
    assert.equal(t.asked.filter(([digest]) => digest === layer).length, 1);
    assert.ok(!heard[0].includes('Pull complete'));
    assert.ok(heard[1].includes('Download complete') && heard[1].includes('Pull complete'));
    assert.deepEqual((await t.images.resolve('x:1')).layers, [layer]);
  });

  test('a single manifest for another platform is refused when one was asked for', async (context) => {
    const t = await openTestImages(context);
    publish(t, await makeImage(['a'], { architecture: 'arm64' }), 'latest');
    await assert.rejects(t.pull('x', 'linux/amd64'), {
      code: 'not-found',
      message: /platform \(linux\/arm64\) does not match/,
    });
    assert.deepEqual((await t.stored()).blobs, []);
    await t.pull('x');
    assert.equal((await t.images.resolve('x')).platform.architecture, 'arm64');
  });
});
