import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  bundleSignature,
  cosignSignature,
  type KeyKind,
  type MadeSignature,
  makeSigner,
  signPayload,
  simplePayload,
} from '../../tests/support/signatures.ts';
import { digestOfHex } from '../base/ids.ts';
import type { ImageOrigin, TrustVerdict } from '../spec/contract/trust.ts';
import { parseReference } from '../spec/reference/reference.ts';
import { policyOf } from './judge.ts';
import { parsePolicy } from './policy.ts';

const signer = makeSigner();
const other = makeSigner();
const image = digestOfHex('1'.repeat(64));
const another = digestOfHex('2'.repeat(64));
const byTag: ImageOrigin = { transport: 'docker', reference: parseReference('r.example/app:1') };
const byDigest: ImageOrigin = { transport: 'docker', reference: parseReference(`r.example/app@${image}`) };

const dataOf = (publicKey: string): string => Buffer.from(publicKey).toString('base64');

async function judge(
  signatures: readonly MadeSignature[],
  options: { identity?: object; origin?: ImageOrigin; keys?: readonly string[]; more?: readonly object[] } = {},
): Promise<TrustVerdict> {
  const { identity, origin = byTag, keys = [signer.publicKey], more = [] } = options;
  const signed = {
    type: 'sigstoreSigned',
    keyDatas: keys.map(dataOf),
    ...(identity === undefined ? {} : { signedIdentity: identity }),
  };
  const policy = policyOf(await parsePolicy(JSON.stringify({ default: [signed, ...more] }), async () => ''), 'p.json');
  assert.equal(policy.wantedFormats(origin).includes('bundle'), JSON.stringify(identity ?? '').includes('matchDigest'));
  return policy.judge(origin, { digests: [image], signatures });
}

const reasonOf = ({ requirements }: TrustVerdict): string => requirements[0]?.reason ?? '';

describe('keys', () => {
  const kinds: readonly [KeyKind, string][] = [
    ['p256', 'sha256'],
    ['p384', 'sha256'],
    ['p384', 'sha384'],
    ['p521', 'sha512'],
    ['ed25519', 'sha256'],
    ['rsa', 'sha256'],
  ];
  for (const [kind, hash] of kinds) {
    test(`${kind} with ${hash}: its signature counts, nobody else's, and no other bytes`, async () => {
      const own = makeSigner(kind, hash);
      const good = cosignSignature(own, image, 'r.example/app:1');
      assert.equal((await judge([good], { keys: [own.publicKey] })).accepted, true);
      assert.equal((await judge([good], { keys: [makeSigner(kind).publicKey] })).accepted, false);
      const payload = simplePayload(another, 'r.example/app:1').toString('base64');
      const verdict = await judge([{ ...good, payload }], { keys: [own.publicKey] });
      assert.match(reasonOf(verdict), /not made by a wanted key/);
    });
  }

  test('one of several keys and one of several signatures is enough, and is named', async () => {
    const signatures = [
      cosignSignature(other, another, 'r.example/app:1'),
      cosignSignature(makeSigner(), image, 'r.example/app:1'),
      cosignSignature(signer, image, 'r.example/app:1'),
    ];
    const verdict = await judge(signatures, { keys: [other.publicKey, signer.publicKey] });
    assert.equal(verdict.accepted, true);
    assert.match(reasonOf(verdict), /signed by default\[0\]\.keyDatas\[1\] \(SHA256:[0-9a-f]{64}\)/);
  });
});

describe('requirements', () => {
  const good = cosignSignature(signer, image, 'r.example/app:1');

  test('all of them must be satisfied', async () => {
    const second = { type: 'sigstoreSigned', keyData: dataOf(other.publicKey) };
    assert.equal((await judge([good], { more: [second] })).accepted, false);
    const both = [good, cosignSignature(other, image, 'r.example/app:1')];
    assert.equal((await judge(both, { more: [second] })).accepted, true);
    assert.equal((await judge(both, { more: [{ type: 'insecureAcceptAnything' }] })).accepted, true);
    assert.equal((await judge(both, { more: [{ type: 'reject' }] })).accepted, false);
  });

  test('a signature of another image counts for nothing', async () => {
    const verdict = await judge([cosignSignature(signer, another, 'r.example/app:1')]);
    assert.equal(verdict.accepted, false);
    assert.match(reasonOf(verdict), /for another image, sha256:2222/);
  });

  test('say what was found', async () => {
    assert.equal(reasonOf(await judge([])), 'it has no signature');
    const many = [1, 2, 3, 4, 5].map((tag) => cosignSignature(signer, image, `r.example/app:x${tag}`));
    assert.match(reasonOf(await judge(many)), /^none of its signatures counts: .*x1.*x2.*x3.*; and 2 more$/);
  });
});

describe('identities', () => {
  const exact = { type: 'matchExact' };
  const repository = { type: 'matchRepository' };
  const remap = { type: 'remapIdentity', prefix: 'r.example', signedPrefix: 'vendor.example/mirrored' };
  const cases: readonly [string, object | undefined, ImageOrigin, string, boolean][] = [
    ['the same tag', undefined, byTag, 'r.example/app:1', true],
    ['another tag: an old image under a new one', undefined, byTag, 'r.example/app:0', false],
    ['no tag', undefined, byTag, 'r.example/app', false],
    ['another repository: a replay', undefined, byTag, 'r.example/evil:1', false],
    ['another registry', undefined, byTag, 'q.example/app:1', false],
    ['by digest: any tag', undefined, byDigest, 'r.example/app:7', true],
    ['by digest: no tag', undefined, byDigest, 'r.example/app', false],
    ['by digest: another repository', undefined, byDigest, 'r.example/evil:1', false],
    ['exact: the same', exact, byTag, 'r.example/app:1', true],
    ['exact: by digest', exact, byDigest, 'r.example/app:1', false],
    ['exact: by digest, signed by it', exact, byDigest, `r.example/app@${image}`, true],
    ['repository: no tag', repository, byTag, 'r.example/app', true],
    ['repository: another tag', repository, byTag, 'r.example/app:0', true],
    ['repository: a longer one', repository, byTag, 'r.example/app/x', false],
    ['exactReference', { type: 'exactReference', dockerReference: 'v.example/a:9' }, byTag, 'v.example/a:9', true],
    [
      'exactReference: else',
      { type: 'exactReference', dockerReference: 'v.example/a:9' },
      byTag,
      'v.example/a:8',
      false,
    ],
    ['exactRepository', { type: 'exactRepository', dockerRepository: 'v.example/a' }, byTag, 'v.example/a:8', true],
    [
      'exactRepository: the image itself',
      { type: 'exactRepository', dockerRepository: 'v.example/a' },
      byTag,
      'r.example/app:1',
      false,
    ],
    ['remap', remap, byTag, 'vendor.example/mirrored/app:1', true],
    ['remap: not remapped', remap, byTag, 'r.example/app:1', false],
    ['remap: another tag', remap, byTag, 'vendor.example/mirrored/app:2', false],
    ['remap: by digest', remap, byDigest, 'vendor.example/mirrored/app:2', true],
    ['remap: elsewhere', { ...remap, prefix: 'r.example/ap' }, byTag, 'r.example/app:1', true],
    ['digest alone', { type: 'matchDigest' }, byTag, 'anything/at:all', true],
    ['no name at all', undefined, byTag, 'NOT A NAME', false],
  ];
  for (const [what, identity, origin, name, accepted] of cases) {
    test(what, async () => {
      const options = { origin, ...(identity === undefined ? {} : { identity }) };
      assert.equal((await judge([cosignSignature(signer, image, name)], options)).accepted, accepted);
    });
  }

  test('the other name of the default registry, as cosign writes it, is the same one', async () => {
    const origin: ImageOrigin = { transport: 'docker', reference: parseReference('busybox:1') };
    const signature = cosignSignature(signer, image, 'index.docker.io/library/busybox');
    assert.equal((await judge([signature], { origin, identity: repository })).accepted, true);
  });

  test('an archive has no name: only what the policy itself names can match', async () => {
    const origin: ImageOrigin = { transport: 'docker-archive' };
    const signature = cosignSignature(signer, image, 'v.example/a:9');
    assert.equal((await judge([signature], { origin })).accepted, false);
    assert.equal((await judge([signature], { origin, identity: repository })).accepted, false);
    const named = { type: 'exactRepository', dockerRepository: 'v.example/a' };
    assert.equal((await judge([signature], { origin, identity: named })).accepted, true);
  });
});

describe('bundles', () => {
  test('name no repository: they count where the digest alone does', async () => {
    const signature = bundleSignature(signer, image);
    assert.match(reasonOf(await judge([signature])), /for no name, which matchRepoDigestOrExact does not accept/);
    assert.equal((await judge([signature], { identity: { type: 'matchDigest' } })).accepted, true);
  });

  test('of another image, by another key, or with an attestation count for nothing', async () => {
    const identity = { type: 'matchDigest' };
    assert.equal((await judge([bundleSignature(signer, another)], { identity })).accepted, false);
    assert.equal((await judge([bundleSignature(other, image)], { identity })).accepted, false);
    const attestation = bundleSignature(signer, image, 'https://slsa.dev/provenance/v1');
    assert.match(reasonOf(await judge([attestation], { identity })), /attestation \(https:\/\/slsa\.dev/);
  });

  test('are signed in another way than payloads: one is never taken for the other', async () => {
    const identity = { type: 'matchDigest' };
    const bundle = bundleSignature(signer, image);
    assert.equal((await judge([{ ...bundle, format: 'cosign' }], { identity })).accepted, false);
    const simple = cosignSignature(signer, image, 'r.example/app:1');
    assert.equal((await judge([{ ...simple, format: 'bundle' }], { identity })).accepted, false);
  });
});

describe('hostile payloads', () => {
  const text = simplePayload(image, 'r.example/app:1').toString();
  for (const [what, changed] of [
    ['no JSON', 'x'],
    ['a list', '[]'],
    ['another type', text.replace('cosign container', 'atomic container')],
    ['a field too much', text.replace('"critical":{', '"critical":{"more":1,')],
    ['a field too much beside it', text.replace('{"critical"', '{"more":1,"critical"')],
    [
      'a digest twice',
      text.replace('"docker-manifest-digest"', `"docker-manifest-digest":"${another}","docker-manifest-digest"`),
    ],
    ['no digest', text.replace(image, '')],
    ['another algorithm', text.replace('sha256:', 'sha512:')],
    ['a name that is a number', text.replace('"r.example/app:1"', '7')],
    ['deep nesting', text.replace('null', '['.repeat(70) + ']'.repeat(70))],
    ['bytes that are no UTF-8', `${text}\xff`],
  ] as const) {
    test(`${what}: signed all the same, it counts for nothing`, async () => {
      assert.equal((await judge([signPayload(signer, Buffer.from(text))])).accepted, true);
      const verdict = await judge([signPayload(signer, Buffer.from(changed, 'latin1'))]);
      assert.equal(verdict.accepted, false);
      assert.match(reasonOf(verdict), /cannot be understood/);
    });
  }

  test('no signature that is not the right one is ever accepted, and none is an error', async () => {
    const good = cosignSignature(signer, image, 'r.example/app:1');
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('cosign' as const, 'bundle' as const),
        fc.oneof(fc.constant(good.payload), fc.base64String(), fc.string()),
        fc.oneof(fc.base64String(), fc.string(), fc.constant(''), fc.constant(good.signature.slice(4))),
        async (format, payload, signature) => {
          assert.equal((await judge([{ format, payload, signature }])).accepted, false);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('one flipped bit anywhere makes a signature worthless', async () => {
    const good = cosignSignature(signer, image, 'r.example/app:1');
    const flip = (text64: string, bit: number): string => {
      const bytes = Buffer.from(text64, 'base64');
      const at = (bit >> 3) % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
      return bytes.toString('base64');
    };
    await fc.assert(
      fc.asyncProperty(fc.nat(100_000), fc.boolean(), async (bit, inPayload) => {
        const changed = inPayload
          ? { ...good, payload: flip(good.payload, bit) }
          : { ...good, signature: flip(good.signature, bit) };
        assert.equal((await judge([changed])).accepted, false);
      }),
      { numRuns: 200 },
    );
  });
});
