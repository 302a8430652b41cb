import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attestedIndex } from './_attested.ts';
import { layoutOf, makeImage, openTestImages, tar } from './_fixture.ts';

const provenance = 'https://slsa.dev/provenance/v1';

test('attestations of a platform: by type, with and without what they say', async (context) => {
  const t = await openTestImages(context);
  const { amd, arm, attestation, config, statement, bytes, target } = await attestedIndex();
  const blobs = [bytes, attestation, config, statement, ...amd.blobs.values(), ...arm.blobs.values()];
  await t.load([await tar(layoutOf([{ target, name: 'x' }], blobs))]);
  const ask = (options: { platform?: string; types?: string[]; statement?: boolean } = {}) =>
    t.images.attestations('x', { types: [], statement: false, ...options });
  const [bare, ...more] = await ask();
  assert.deepEqual(more, []);
  assert.equal(bare?.PredicateType, provenance);
  assert.equal(bare.Descriptor.mediaType, 'application/vnd.in-toto+json');
  assert.ok(!('Statement' in bare));
  const [full] = await ask({ platform: 'linux/amd64', types: [provenance], statement: true });
  assert.deepEqual(full?.Statement, JSON.parse(new TextDecoder().decode(statement)));
  assert.deepEqual(await ask({ types: ['https://spdx.dev/Document'] }), []);
  assert.deepEqual(await ask({ platform: 'linux/arm64' }), []);
  await assert.rejects(ask({ platform: 'linux/s390x' }), { code: 'not-found', message: /specified platform/ });
  await assert.rejects(t.images.attestations('nope', { types: [], statement: false }), { code: 'not-found' });
});

test('an image without index has none; statements that were not brought here are said to be elsewhere', async (context) => {
  const t = await openTestImages(context);
  const single = await makeImage(['single']);
  await t.load([await tar(layoutOf([{ target: single.target, name: 'single' }], single.blobs.values()))]);
  assert.deepEqual(await t.images.attestations('single', { types: [], statement: true }), []);
  const { amd, bytes, target } = await attestedIndex();
  for (const [digest, blob] of amd.blobs) t.remote.set(digest, blob);
  t.remote.set('1', bytes);
  await t.pull('pulled:1');
  assert.equal((await t.images.inspect('pulled:1', { manifests: false })).Id, target.digest);
  await assert.rejects(t.images.attestations('pulled:1', { types: [], statement: false }), {
    code: 'not-found',
    message: /^attestation manifest sha256:[0-9a-f]{64} is not available locally$/,
  });
});
