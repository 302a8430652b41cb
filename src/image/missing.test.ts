import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Digest } from '../base/ids.ts';
import { decodeWantedContent } from '../spec/decode/image-content.ts';
import { layoutOf, makeImage, openTestImages, tar } from './_fixture.ts';

test('another store tells what it lacks, and takes an archive without the rest', async (context) => {
  const [here, there] = [await openTestImages(context), await openTestImages(context)];
  const [base, image] = [await makeImage(['a']), await makeImage(['a', 'b'])];
  await there.load([await tar(layoutOf([{ target: base.target, name: 'base' }], base.blobs.values()))]);
  await here.load([await tar(layoutOf([{ target: image.target, name: 'x' }], image.blobs.values()))]);
  const blobs = here.images.content(['x'], []);
  assert.deepEqual(new Set(blobs.map(({ Digest }) => Digest)), new Set(image.blobs.keys()));
  const missing = await there.images.missing(decodeWantedContent({ Blobs: blobs }));
  assert.deepEqual(new Set(missing), new Set(image.blobs.keys()).difference(new Set(base.blobs.keys())));
  const without = new Set(blobs.map(({ Digest }) => Digest as Digest)).difference(new Set(missing));
  const send = async (): Promise<string[]> => {
    const archive = await here.images.save(['x'], { platforms: [], signal: AbortSignal.timeout(60_000), without });
    const chunks = await Array.fromAsync(archive.content, (chunk) => Uint8Array.from(chunk));
    await archive.close();
    return there.load(chunks);
  };
  assert.deepEqual(await send(), ['Loaded image: x:latest']);
  assert.equal((await there.images.resolve('x')).id, image.target.digest);
  // What was there is gone when the archive comes.
  await there.images.remove('x', { force: false });
  await there.images.remove('base', { force: false });
  await assert.rejects(send(), { code: 'not-found', message: /^the archive is incomplete: blob sha256:/ });
  assert.deepEqual(await there.stored(), { blobs: [], layers: [] });
});

test('a blob of another size is missing; what is no digest is refused', async (context) => {
  const t = await openTestImages(context);
  const image = await makeImage(['a']);
  await t.load([await tar(layoutOf([{ target: image.target, name: 'x' }], image.blobs.values()))]);
  const wanted = { Digest: image.target.digest, Size: image.target.size + 1 };
  assert.deepEqual(await t.images.missing(decodeWantedContent({ Blobs: [wanted, wanted] })), [image.target.digest]);
  for (const Digest of ['', 'sha256:x', '../../etc/passwd', 'md5:00']) {
    assert.throws(() => decodeWantedContent({ Blobs: [{ Digest, Size: 1 }] }), { code: 'invalid' }, Digest);
  }
});
