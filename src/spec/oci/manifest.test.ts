import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EngineError } from '../../base/errors.ts';
import { parseImageConfig } from './config.ts';
import { mediaTypes } from './image.ts';
import { parseManifestDocument } from './manifest.ts';

const digest = `sha256:${'0'.repeat(64)}`;
const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const layer = { mediaType: mediaTypes.ociLayerGzip, digest, size: 10 };
const config = { mediaType: mediaTypes.ociConfig, digest, size: 2 };
const manifest = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers: [layer] };
const index = {
  schemaVersion: 2,
  mediaType: mediaTypes.ociIndex,
  manifests: [
    {
      mediaType: mediaTypes.ociManifest,
      digest,
      size: 5,
      platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
    },
  ],
};

const refuses = (value: unknown, message: RegExp, declared?: string): void => {
  assert.throws(() => parseManifestDocument(bytesOf(value), declared), { code: 'invalid', message });
};

describe('parseManifestDocument', () => {
  test('reads manifests and indexes, also Docker ones and without a media type', () => {
    assert.equal(parseManifestDocument(bytesOf(manifest)).kind, 'manifest');
    assert.equal(parseManifestDocument(bytesOf(index)).kind, 'index');
    const { mediaType: _m, ...untyped } = manifest;
    assert.equal(parseManifestDocument(bytesOf(untyped)).mediaType, mediaTypes.ociManifest);
    assert.equal(
      parseManifestDocument(bytesOf(untyped), mediaTypes.dockerManifest).mediaType,
      mediaTypes.dockerManifest,
    );
    const { mediaType: _i, ...untypedIndex } = index;
    assert.equal(parseManifestDocument(bytesOf(untypedIndex)).kind, 'index');
  });

  test('refuses what could be read as two different images', () => {
    refuses({ ...manifest, manifests: index.manifests }, /two different images/);
    refuses({ ...index, layers: manifest.layers }, /two different images/);
    refuses({ ...index, config }, /two different images/);
    refuses(manifest, /came as/, mediaTypes.ociIndex);
    refuses(index, /came as/, mediaTypes.dockerManifest);
  });

  test('refuses wrong digests, sizes, types and counts, naming the field', () => {
    for (const wrong of ['sha256:../../x', digest.toUpperCase(), `sha512:${'0'.repeat(128)}`, '', 5, null]) {
      refuses({ ...manifest, layers: [{ ...layer, digest: wrong }] }, /^manifest: layers\[0\]\.digest must be/);
    }
    for (const wrong of [-1, 1.5, '10', null, 1e20]) {
      refuses({ ...manifest, config: { ...config, size: wrong } }, /^manifest: config\.size/);
    }
    refuses({ ...manifest, layers: {} }, /layers must be a list/);
    refuses({ ...manifest, layers: Array(1001).fill(layer) }, /at most 1000/);
    refuses({ ...manifest, schemaVersion: 1 }, /outdated schema version 1/);
    refuses({ ...manifest, schemaVersion: '2' }, /schemaVersion must be 2/);
    refuses({ ...manifest, mediaType: 'text/html' }, /unsupported manifest media type/);
    refuses([], /must be an object/);
    refuses({ ...manifest, config: null }, /config must be an object/);
  });

  test('limits size and nesting before it parses', () => {
    const deep = new TextEncoder().encode(`{"schemaVersion":2,"x":${'['.repeat(1_000_000)}`);
    assert.throws(() => parseManifestDocument(deep), /nested deeper/);
    assert.throws(() => parseManifestDocument(new Uint8Array(4 * 1024 * 1024 + 1)), /larger than the allowed/);
    const brackets = bytesOf({ ...manifest, annotations: { note: `"\\${'['.repeat(1000)}` } });
    assert.equal(parseManifestDocument(brackets).kind, 'manifest');
  });

  test('user keys cannot reach a prototype', () => {
    const text = JSON.stringify({ ...manifest, annotations: {} }).replace(
      '"annotations":{}',
      '"annotations":{"__proto__":"x"}',
    );
    const parsed = parseManifestDocument(new TextEncoder().encode(text));
    assert.ok(parsed.kind === 'manifest');
    assert.equal(Object.getPrototypeOf(parsed.manifest.annotations), null);
    assert.deepEqual(Object.keys(parsed.manifest.annotations ?? {}), ['__proto__']);
  });

  test('any JSON gives a document or an EngineError', () => {
    const field = fc.constantFrom('schemaVersion', 'mediaType', 'config', 'layers', 'manifests', 'digest', 'size');
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom(2, digest, [layer], [config], config, null));
    fc.assert(
      fc.property(fc.dictionary(field, value), (fields) => {
        try {
          parseManifestDocument(bytesOf({ schemaVersion: 2, ...fields }));
        } catch (error) {
          assert.ok(error instanceof EngineError && error.code === 'invalid');
        }
      }),
    );
  });
});

describe('parseImageConfig', () => {
  const least = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [digest] } };

  test('takes null for everything that may be absent', () => {
    const nulls = {
      Env: null,
      Cmd: null,
      Entrypoint: null,
      Volumes: null,
      Labels: null,
      ExposedPorts: null,
      User: null,
    };
    const parsed = parseImageConfig(bytesOf({ ...least, history: null, config: nulls, variant: '' }));
    assert.deepEqual(parsed, { ...least, config: {}, history: [] });
    assert.deepEqual(parseImageConfig(bytesOf({ ...least, config: null })).config, {});
  });

  test('reads what a run needs', () => {
    const run = { Env: ['A=b'], Cmd: ['sh'], ExposedPorts: { '80/tcp': {} }, Labels: { a: 'b' }, User: '1000' };
    const parsed = parseImageConfig(bytesOf({ ...least, config: run, history: [{ empty_layer: true }] }));
    assert.deepEqual(parsed.config.Env, ['A=b']);
    assert.deepEqual(Object.keys(parsed.config.ExposedPorts ?? {}), ['80/tcp']);
    assert.equal(parsed.history[0]?.empty_layer, true);
  });

  test('names the field that is wrong', () => {
    const refused = (value: unknown, message: RegExp) =>
      assert.throws(() => parseImageConfig(bytesOf(value)), { code: 'invalid', message });
    refused({ ...least, config: { Env: 'A=b' } }, /config\.Env must be a list/);
    refused({ ...least, config: { Env: [1] } }, /config\.Env\[0\] must be a string/);
    refused({ ...least, history: [null] }, /history\[0\] must be an object/);
    refused({ ...least, rootfs: { type: 'layers', diff_ids: ['sha256:x'] } }, /diff_ids\[0\]/);
    refused({ ...least, rootfs: null }, /rootfs must be an object/);
    refused({ ...least, os: '' }, /os must be/);
  });
});
