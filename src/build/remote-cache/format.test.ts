import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Digest, digestOfHex, type DiffId } from '../../base/ids.ts';
import { mediaTypes } from '../../spec/oci/image.ts';
import { decodeCache, diffIdOf, encodeCache } from './format.ts';

const digest = (letter: string): Digest => digestOfHex(letter.repeat(64));
const layer = (letter: string) => ({
  blob: { mediaType: mediaTypes.ociLayerGzip, digest: digest(letter), size: 10 },
  diffId: digest(letter === 'f' ? '0' : 'e') as DiffId,
});
const key = (letter: string): string => letter.repeat(64);
const bytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

test('steps come back as they went', () => {
  const createdNs = 1_700_000_000_123_456_789n;
  const { config, layers } = encodeCache([
    { key: key('1'), createdNs, layers: [layer('a'), layer('b')], hasLayer: true },
    { key: key('2'), createdNs, layers: [layer('a'), layer('b')], hasLayer: false },
    { key: key('3'), createdNs, layers: [layer('a'), layer('b'), layer('a')], hasLayer: true },
  ]);
  assert.deepEqual(
    config.layers.map(({ parent }) => parent),
    [-1, 0, 1],
  );
  assert.equal(layers.length, 2);
  const steps = decodeCache(bytes(config), layers);
  assert.equal(steps.get(key('1'))?.layer?.digest, digest('b'));
  assert.equal(steps.get(key('1'))?.createdNs, createdNs);
  assert.deepEqual(steps.get(key('2')), { layer: undefined, createdNs });
  assert.equal(steps.get(key('3'))?.layer?.digest, digest('a'));
  assert.equal(diffIdOf(layers[0] as (typeof layers)[number]), digest('e'));
});

test('records of another builder, and of layers that are not there, are passed by', () => {
  const records = [
    { digest: digest('1'), layers: [{ layer: 0, createdat: '2024-01-01T00:00:00Z' }], inputs: [[{ link: 1 }]] },
    { digest: digest('2') },
    { digest: digest('3'), layers: [{ layer: 7 }] },
    { digest: digest('4'), layers: [{ layer: 1 }] },
    { digest: digest('5'), chains: [{ layers: [0] }] },
  ];
  const layers = [{ blob: digest('a') }, { blob: digest('c'), parent: 0 }];
  const steps = decodeCache(bytes({ layers, records }), [layer('a').blob]);
  assert.deepEqual([...steps.keys()], [key('1')]);
});

test('what is no cache is refused', () => {
  for (const [value, reason] of [
    ['no object', /object/],
    [{ layers: [{ blob: 'sha256:x' }] }, /blob must be sha256:/],
    [{ records: [{ digest: 5 }] }, /digest/],
    [{ records: {} }, /list|array/i],
    [{ records: [{ digest: digest('1'), layers: 'all' }] }, /list|array/i],
  ] as const) {
    assert.throws(() => decodeCache(bytes(value), []), reason);
  }
  const odd = decodeCache(
    bytes({
      layers: [{ blob: digest('a') }],
      records: [{ digest: digest('1'), layers: [{ layer: '0', createdat: 'x' }] }],
    }),
    [layer('a').blob],
  );
  assert.equal(odd.size, 0);
  assert.throws(() => diffIdOf(layer('a').blob), /does not say what/);
});
