import assert from 'node:assert/strict';
import { describe as group, test } from 'node:test';
import {
  bundleArtifacts,
  bundleSignature,
  makeSigner,
  signatureArtifact,
  signPayload,
} from '../../tests/support/signatures.ts';
import { EngineError } from '../base/errors.ts';
import { type Digest, parseDigest } from '../base/ids.ts';
import type { ImageOrigin, SignedImage, TrustPolicy } from '../spec/contract/trust.ts';
import { noFilters } from '../spec/engine/filters.ts';
import { acceptAll, describe, json, layoutOf, makeImage, makeIndex, openTestImages, sha256, tar } from './_fixture.ts';
import type { TestImage, TestImages } from './_fixture.ts';
import { encodeOrigin } from './trust/records.ts';

const signer = makeSigner();

type TrustedFormats = ReturnType<TrustPolicy['wantedFormats']>;

/** A policy that wants the payload `word` on any of the digests; `asked` is what it was asked. */
function wanting(word: string, formats: TrustedFormats = ['cosign']) {
  const asked: { origin: ImageOrigin; image: SignedImage }[] = [];
  const policy: TrustPolicy = {
    source: 'policy.json',
    wantedFormats: () => formats,
    describe: async ({ payload }) => ({ digests: [], identity: Buffer.from(payload, 'base64').toString(), by: '' }),
    async judge(origin, image) {
      asked.push({ origin, image });
      const payloads = image.signatures.map(({ payload }) => Buffer.from(payload, 'base64').toString());
      const satisfied = payloads.includes(word) || encodeOrigin(origin) === word;
      const wants = { type: 'sigstoreSigned', keys: ['KEY'], identity: 'IDENTITY' } as const;
      return { scope: 'SCOPE', accepted: satisfied, requirements: [{ ...wants, satisfied, reason: 'WHY' }] };
    },
  };
  return { policy, asked };
}

function publish(t: TestImages, image: TestImage, tag: string): void {
  for (const [digest, bytes] of image.blobs) t.remote.set(digest, bytes);
  t.remote.set(tag, image.manifest);
}

/** Puts payloads into the registry, signed for a digest. */
function signFor(t: TestImages, digest: Digest, payloads: readonly (string | Uint8Array)[]): void {
  const signatures = payloads.map((payload) => signPayload(signer, Buffer.from(payload)));
  const { tag, manifest, blobs } = signatureArtifact(digest, signatures);
  t.remote.set(tag, manifest);
  for (const blob of blobs) t.remote.set(sha256(blob), blob);
}

const isForbidden = (says: RegExp) => (error: unknown) =>
  error instanceof EngineError && error.code === 'forbidden' && says.test(error.message);

const list = { sharedSize: false, manifests: false, filters: noFilters };

group('a pull', () => {
  test('is refused before anything is asked for when no signature could help', async (context) => {
    const t = await openTestImages(context);
    t.trust.policy = wanting('x', []).policy;
    await assert.rejects(
      t.pull('me/x:1'),
      isForbidden(/^image me\/x:1 is refused by the trust policy \(policy\.json, SCOPE\)/),
    );
  });

  test('without the signature leaves nothing: no name, no blob; with it, it is taken', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a']);
    publish(t, image, '1');
    t.trust.policy = wanting('good').policy;
    const says = /me\/x:1 .*: it must be signed by KEY \(IDENTITY\), but WHY$/;
    await assert.rejects(t.pull('me/x:1'), isForbidden(says));
    signFor(t, image.target.digest, ['bad', 'worse']);
    await assert.rejects(t.pull('me/x:1'), isForbidden(says));
    assert.deepEqual(await t.stored(), { blobs: [], layers: [] });
    assert.deepEqual(await t.images.list(list), []);
    assert.deepEqual(t.events, []);
    signFor(t, image.target.digest, ['bad', 'good']);
    await t.pull('me/x:1');
    await t.images.resolve('me/x:1');
  });

  test('takes bundles where the policy may want them', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a']);
    publish(t, image, '1');
    const made = bundleSignature(signer, image.target.digest);
    const word = Buffer.from(made.payload, 'base64').toString();
    const { list: referrers, artifacts } = bundleArtifacts(image.target.digest, [made]);
    t.remote.set(image.target.digest.replace(':', '-'), referrers);
    for (const bytes of artifacts) t.remote.set(sha256(bytes), bytes);
    t.trust.policy = wanting(word).policy;
    await assert.rejects(t.pull('me/x:1'), isForbidden(/WHY/));
    t.trust.policy = wanting(word, ['cosign', 'bundle']).policy;
    await t.pull('me/x:1');
    await t.reopen();
    await t.images.resolve('me/x:1');
    for (const [what, edit] of [
      ['another payload type', (text: string) => text.replace('in-toto', 'other')],
      ['no envelope', (text: string) => text.replace('dsseEnvelope', 'messageSignature')],
      ['too much of it', (text: string) => text.replace('{', `{"x":"${'x'.repeat(128 * 1024)}",`)],
    ] as const) {
      const other = await makeImage(['b']);
      publish(t, other, '2');
      const bad = bundleArtifacts(other.target.digest, [made], edit);
      t.remote.set(other.target.digest.replace(':', '-'), bad.list);
      for (const bytes of bad.artifacts) t.remote.set(sha256(bytes), bytes);
      await assert.rejects(t.pull('me/x:2'), isForbidden(/WHY/), what);
    }
  });

  test('moves no tag when the new image is refused', async (context) => {
    const t = await openTestImages(context);
    const [first, second] = [await makeImage(['a']), await makeImage(['b'])];
    publish(t, first, '1');
    signFor(t, first.target.digest, ['good']);
    t.trust.policy = wanting('good').policy;
    await t.pull('me/x:1');
    publish(t, second, '1');
    await assert.rejects(t.pull('me/x:1'), isForbidden(/WHY/));
    assert.equal(t.images.idOf('me/x:1'), first.target.digest);
  });

  test('of an index takes signatures of the index, else of the manifest', async (context) => {
    for (const signed of ['index', 'manifest']) {
      const t = await openTestImages(context);
      const image = await makeImage(['a']);
      const index = makeIndex([{ image, architecture: 'amd64' }]);
      publish(t, image, 'none');
      t.remote.set('1', index.bytes);
      const { policy, asked } = wanting('good');
      t.trust.policy = policy;
      signFor(t, signed === 'index' ? index.target.digest : image.target.digest, ['good']);
      await t.pull('me/x:1');
      assert.deepEqual(asked.at(-1)?.image.digests, [index.target.digest, image.target.digest]);
      assert.equal(asked.length, signed === 'index' ? 1 : 2);
      await t.images.resolve('me/x:1');
    }
  });

  test('of an image that is there already looks for signatures all the same', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a']);
    publish(t, image, '1');
    await t.pull('me/x:1');
    t.trust.policy = wanting('good').policy;
    const says = /^image me\/x:1 is refused .*: "gantry pull me\/x:1" looks for its signatures$/;
    await assert.rejects(t.images.resolve('me/x:1'), isForbidden(says));
    signFor(t, image.target.digest, ['good']);
    assert.equal((await t.pull('me/x:1')).at(-1)?.status, 'Status: Image is up to date for me/x:1');
    await t.images.resolve('me/x:1');
  });
});

group('signatures of a registry', () => {
  const cases: readonly [what: string, (t: TestImages, digest: Digest) => void][] = [
    ['a payload of 16 KiB and a byte', (t, digest) => signFor(t, digest, [Buffer.alloc(16 * 1024 + 1, 'x')])],
    [
      'an index',
      (t, digest) =>
        put(t, digest, { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [] }),
    ],
    ['no layers', (t, digest) => put(t, digest, { schemaVersion: 2, config: describe('a/b', json({})), layers: [] })],
    [
      'layers of another type',
      (t, digest) => {
        signFor(t, digest, ['good']);
        change(t, digest, (text) => text.replaceAll('simplesigning', 'other'));
      },
    ],
    [
      'layers without the annotation',
      (t, digest) => {
        signFor(t, digest, ['good']);
        change(t, digest, (text) => text.replaceAll('cosign/signature', 'cosign/other'));
      },
    ],
    [
      'a signature of 8 KiB and a byte',
      (t, digest) => {
        signFor(t, digest, ['good']);
        change(t, digest, (text) => text.replace('cosign/signature":"', `cosign/signature":"${'A'.repeat(8192)}`));
      },
    ],
  ];
  const tagOf = (digest: Digest) => `${digest.replace(':', '-')}.sig`;
  const put = (t: TestImages, digest: Digest, value: unknown) => t.remote.set(tagOf(digest), json(value));
  const change = (t: TestImages, digest: Digest, edit: (text: string) => string) =>
    t.remote.set(tagOf(digest), Buffer.from(edit(Buffer.from(t.remote.get(tagOf(digest)) ?? []).toString())));

  for (const [what, prepare] of cases) {
    test(`${what} counts for nothing`, async (context) => {
      const t = await openTestImages(context);
      const image = await makeImage(['a']);
      publish(t, image, '1');
      prepare(t, image.target.digest);
      const { policy, asked } = wanting('good');
      t.trust.policy = policy;
      await assert.rejects(t.pull('me/x:1'), isForbidden(/WHY/));
      assert.deepEqual(asked.at(-1)?.image.signatures, []);
    });
  }

  for (const [what, document, says] of [
    ['a list', '[]', /manifest must be an object/],
    ['a manifest that is also an index', '{"schemaVersion":2,"manifests":[],"layers":[]}', /two different images/],
    ['a negative size', '{"schemaVersion":2,"config":{"mediaType":"a/b","size":-1}}', /manifest: config\.size/],
  ] as const) {
    test(`${what}: the pull fails and says so`, async (context) => {
      const t = await openTestImages(context);
      const image = await makeImage(['a']);
      publish(t, image, '1');
      t.remote.set(tagOf(image.target.digest), Buffer.from(document));
      t.trust.policy = wanting('good').policy;
      await assert.rejects(t.pull('me/x:1'), says);
      assert.deepEqual(await t.stored(), { blobs: [], layers: [] });
    });
  }

  test('a payload with other bytes than its digest: the pull fails', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a']);
    publish(t, image, '1');
    signFor(t, image.target.digest, ['bad!']);
    t.remote.set(sha256(Buffer.from('bad!')), Buffer.from('good'));
    t.trust.policy = wanting('good').policy;
    await assert.rejects(t.pull('me/x:1'), { code: 'corrupt' });
  });

  test('of very many the newest hundred are read, and of large ones 256 KiB', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a']);
    publish(t, image, '1');
    const { policy, asked } = wanting('149');
    t.trust.policy = policy;
    signFor(
      t,
      image.target.digest,
      Array.from({ length: 150 }, (_, at) => String(at)),
    );
    await t.pull('me/x:1');
    const read = asked.at(-1)?.image.signatures.map(({ payload }) => Number(Buffer.from(payload, 'base64')));
    assert.deepEqual(
      read,
      Array.from({ length: 100 }, (_, at) => at + 50),
    );
    const large = Array.from({ length: 50 }, (_, at) => String(at).padEnd(16 * 1024));
    signFor(t, image.target.digest, [...large, 'good', '149']);
    await t.pull('me/x:1');
    const sizes = asked.at(-1)?.image.signatures.map(({ payload }) => payload.length) ?? [];
    assert.equal(sizes.length, 17);
  });
});

group('what the policy says', () => {
  test('of a stored image and of one in a registry', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a']);
    const index = makeIndex([{ image, architecture: 'amd64' }]);
    publish(t, image, 'none');
    t.remote.set('1', index.bytes);
    signFor(t, index.target.digest, ['good']);
    signFor(t, image.target.digest, ['also']);
    t.trust.policy = wanting('good').policy;
    const request = { reference: 'me/x:1', signal: AbortSignal.timeout(60_000) };
    const remote = await t.images.inspectRemoteTrust(request);
    assert.deepEqual(
      remote.Signatures.map(({ Identity }) => Identity),
      ['good', 'also'],
    );
    assert.deepEqual([remote.Id, remote.Manifest], [index.target.digest, image.target.digest]);
    assert.equal(remote.Accepted, true);
    assert.deepEqual(await t.stored(), { blobs: [], layers: [] });
    await t.pull('me/x:1');
    const stored = await t.images.inspectTrust('me/x:1');
    assert.deepEqual(stored.Origins, remote.Origins);
    assert.equal(stored.Policy, 'policy.json');
    t.trust.policy = wanting('else').policy;
    const refused = await t.images.inspectTrust('me/x:1');
    const [origin] = refused.Origins;
    assert.deepEqual([refused.Accepted, origin?.Accepted, origin?.Reference], [false, false, 'docker.io/me/x:1']);
    assert.equal(origin?.Requirements[0]?.Reason, 'WHY');
  });
});

group('a stored image', () => {
  test('is judged by the policy of now with what was kept, also after a restart', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a']);
    publish(t, image, '1');
    signFor(t, image.target.digest, ['good', 'fine']);
    t.trust.policy = wanting('good').policy;
    await t.pull('me/x:1');
    await t.reopen();
    t.remote.clear();
    t.trust.policy = wanting('fine').policy;
    await t.images.resolve('me/x:1');
    await t.images.resolve(image.target.digest);
    t.trust.policy = wanting('else').policy;
    await assert.rejects(t.images.resolve('me/x:1'), isForbidden(/WHY/));
    await assert.rejects(t.images.resolve(image.target.digest.slice(7, 19)), isForbidden(/WHY/));
    t.trust.policy = acceptAll;
    await t.images.resolve('me/x:1');
  });

  test('one good way is enough; another name makes no difference', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a']);
    publish(t, image, '1');
    await t.pull('me/x:1');
    await t.images.tag('me/x:1', 'you/y', '2');
    const { policy, asked } = wanting('docker you.example/y:2');
    t.trust.policy = policy;
    await assert.rejects(t.images.resolve('you/y:2'), isForbidden(/WHY/));
    assert.deepEqual(
      asked.map(({ origin }) => encodeOrigin(origin)),
      ['docker docker.io/me/x:1'],
    );
    t.trust.policy = acceptAll;
    await t.pull('you.example/y:2').catch(() => undefined);
    publish(t, image, '2');
    await t.pull('you.example/y:2');
    t.trust.policy = policy;
    await t.images.resolve('me/x:1');
  });

  test('from before ways were recorded is judged by all of its names', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a']);
    publish(t, image, '1');
    await t.pull('me/x:1');
    for (const { id, value } of await t.journal.load('image')) {
      const old = { ...(value as object), origins: undefined };
      await t.journal.commit({ records: [{ op: 'put', kind: 'image', id, value: old }] });
    }
    await t.reopen();
    t.trust.policy = wanting('docker docker.io/me/x:1').policy;
    await t.images.resolve('me/x:1');
    await t.images.tag('me/x:1', 'you/y', '2');
    await assert.rejects(t.images.resolve('me/x:1'), isForbidden(/WHY: "gantry pull you\/y:2"/));
    await t.pull('me/x:1');
    await t.images.resolve('you/y:2');
  });

  test('by load, import and commit is subject to their own scopes', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a']);
    const members = layoutOf([{ target: image.target, name: 'docker.io/me/x:1' }], image.blobs.values());
    const layout = await tar(members);
    const entry = { Config: `blobs/sha256/${sha256(image.config).slice(7)}`, RepoTags: ['me/x:1'], Layers: [] };
    const both = await tar([...members, { name: 'manifest.json', content: json([entry]) }]);
    const importing = () =>
      t.images.import({
        source: '-',
        body: (async function* () {
          yield layout;
        })(),
        repository: 'me/y',
        tag: '',
        message: '',
        changes: [],
        progress: () => undefined,
        signal: AbortSignal.timeout(60_000),
      });
    t.trust.policy = wanting('docker-archive').policy;
    await assert.rejects(t.load([layout]), isForbidden(/^image sha256:.* refused/));
    await assert.rejects(importing(), isForbidden(/^image me\/y:latest is refused/));
    assert.deepEqual(await t.stored(), { blobs: [], layers: [] });
    await t.load([both]);
    t.trust.policy = wanting('oci-archive').policy;
    await assert.rejects(t.load([both]), isForbidden(/refused/));
    await t.load([layout]);
    t.trust.policy = wanting('tarball').policy;
    await importing();
    const request = {
      image: image.target.digest,
      manifest: image.target.digest,
      layer: (async function* () {})(),
      config: {},
      repository: 'me/z',
      tag: '',
      author: '',
      comment: '',
      createdBy: '',
      signal: AbortSignal.timeout(60_000),
    };
    await assert.rejects(t.images.commit(request), isForbidden(/^image me\/z:latest is refused/));
    t.trust.policy = wanting('local').policy;
    const { id } = await t.images.commit(request);
    await t.images.resolve(parseDigest(id));
  });
});
