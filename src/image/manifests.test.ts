import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attestedIndex } from './_attested.ts';
import { mediaTypes } from '../spec/oci/image.ts';
import { describe, json, layoutOf, makeImage, openTestImages, tar } from './_fixture.ts';

test('manifests: what is here, what is not, and what vouches for what', async (context) => {
  const t = await openTestImages(context);
  const index = await attestedIndex();
  const { amd, arm, attestation, config, statement, bytes, target } = index;
  const blobs = [bytes, attestation, config, statement, ...amd.blobs.values()];
  await t.load([await tar(layoutOf([{ target, name: 'x' }], blobs))]);
  t.images.retain(target.digest, 'runs', amd.target.digest);
  t.images.retain(target.digest, 'shows');
  const view = await t.images.inspect('x', { manifests: true });
  const [first, second, third, ...more] = view.Manifests ?? [];
  assert.deepEqual(more, []);
  const contentOf = (...parts: Uint8Array[]) => parts.reduce((sum, { length }) => sum + length, 0);
  assert.deepEqual([first?.ID, first?.Kind, first?.Available], [amd.target.digest, 'image', true]);
  assert.equal(first?.Size.Content, contentOf(...amd.blobs.values()));
  assert.equal(first?.Size.Total, (first?.Size.Content ?? 0) + (first?.ImageData?.Size.Unpacked ?? 0));
  assert.ok((first?.ImageData?.Size.Unpacked ?? 0) > 0);
  assert.deepEqual(first?.ImageData?.Platform, { os: 'linux', architecture: 'amd64' });
  assert.deepEqual(first?.ImageData?.Containers, ['runs']);
  assert.deepEqual([second?.ID, second?.Kind, second?.Available], [arm.target.digest, 'image', false]);
  assert.deepEqual(second?.Size, { Content: 0, Total: 0 });
  assert.deepEqual(second?.ImageData?.Platform, { os: 'linux', architecture: 'arm64' });
  assert.deepEqual([third?.Kind, third?.Available], ['attestation', true]);
  assert.deepEqual(third?.AttestationData, { For: amd.target.digest });
  assert.equal(third?.Size.Total, contentOf(attestation, config, statement));
  assert.equal(view.Size, first?.Size.Total);
});

test('inspect of one platform shows its manifest; label filters look at every platform', async (context) => {
  const t = await openTestImages(context);
  const { amd, arm, bytes, target } = await attestedIndex();
  const blobs = [bytes, ...amd.blobs.values(), ...arm.blobs.values()];
  await t.load([await tar(layoutOf([{ target, name: 'x' }], blobs))]);
  const view = await t.images.inspect('x', { manifests: false, platform: 'linux/arm64' });
  assert.deepEqual(
    [view.Id, view.Descriptor?.digest, view.Architecture],
    [arm.target.digest, arm.target.digest, 'arm64'],
  );
  assert.deepEqual(view.RepoDigests, [`x@${target.digest}`]);
  await assert.rejects(t.images.inspect('x', { manifests: false, platform: 'linux/s390x' }), { code: 'not-found' });
  const count = async (key: string, ...values: string[]) =>
    (await t.images.list({ sharedSize: false, manifests: false, filters: new Map([[key, values]]) })).length;
  assert.equal(await count('label', 'which=arm'), 1);
  assert.equal(await count('label', 'which=arm', 'which=amd'), 0);
  assert.equal(await count('label', 'which!=arm'), 1);
  assert.equal(await count('label!', 'which=arm', 'other'), 1);
  assert.equal(await count('label!', 'which', 'other'), 0);
});

test('where an image was pulled from is known, over a restart, and of no image that was loaded', async (context) => {
  const t = await openTestImages(context);
  const image = await makeImage(['base']);
  for (const [digest, bytes] of image.blobs) t.remote.set(digest, bytes);
  t.remote.set('1', image.manifest);
  await t.pull('registry.example/team/app:1');
  await t.pull('other.example/app:1');
  const identity = { Pull: [{ Repository: 'registry.example/team/app' }, { Repository: 'other.example/app' }] };
  assert.deepEqual((await t.images.inspect('other.example/app:1', { manifests: false })).Identity, identity);
  await t.reopen();
  assert.deepEqual((await t.images.inspect(image.target.digest, { manifests: false })).Identity, identity);
  const list = await t.images.list({ sharedSize: false, manifests: true, identity: true, filters: new Map() });
  assert.deepEqual(list[0]?.Manifests?.[0]?.ImageData?.Identity, identity);
  const loaded = await makeImage(['loaded']);
  await t.load([await tar(layoutOf([{ target: loaded.target, name: 'y' }], loaded.blobs.values()))]);
  assert.equal((await t.images.inspect('y', { manifests: false })).Identity, undefined);
});

test('manifests that would be too much to read are listed by what the index says of them', async (context) => {
  const t = await openTestImages(context);
  const image = await makeImage(['base']);
  const config = json({ architecture: 'unknown', os: 'unknown', rootfs: { type: 'layers', diff_ids: [] } });
  const attestations = ['a', 'b', 'c'].map((letter) =>
    json({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: describe(mediaTypes.ociConfig, config),
      layers: [],
      annotations: { padding: letter.repeat(3_500_000) },
    }),
  );
  const annotations = {
    'vnd.docker.reference.type': 'attestation-manifest',
    'vnd.docker.reference.digest': image.target.digest,
  };
  const bytes = json({
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: [
      image.target,
      ...attestations.map((one) => ({ ...describe(mediaTypes.ociManifest, one), annotations })),
    ],
  });
  const target = describe(mediaTypes.ociIndex, bytes);
  await t.load([
    await tar(layoutOf([{ target, name: 'x' }], [bytes, config, ...attestations, ...image.blobs.values()])),
  ]);
  const { Manifests = [] } = await t.images.inspect('x', { manifests: true });
  assert.deepEqual(
    Manifests.map(({ Kind, Available }) => [Kind, Available]),
    [
      ['image', true],
      ['attestation', true],
      ['attestation', true],
      ['attestation', false],
    ],
  );
});
