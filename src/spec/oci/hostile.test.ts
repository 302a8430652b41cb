import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EngineError } from '../../base/errors.ts';
import { startCpuClock } from '../../../tests/support/cpu.ts';
import { parseImageConfig } from './config.ts';
import { mediaTypes } from './image.ts';
import { largestDocument } from './json.ts';
import { acceptedManifestTypes, parseManifestDocument } from './manifest.ts';

/* Documents that are good but for one place, and documents made to be expensive. */

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const digest = `sha256:${'0'.repeat(64)}`;
const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const layer = { mediaType: mediaTypes.ociLayerGzip, digest, size: 10, annotations: { a: 'b' } };
const manifest: Json = {
  schemaVersion: 2,
  mediaType: mediaTypes.ociManifest,
  config: { mediaType: mediaTypes.ociConfig, digest, size: 2 },
  layers: [layer, layer],
  annotations: { x: 'y' },
};
const platform = { os: 'linux', architecture: 'arm', variant: 'v7', 'os.version': '1', 'os.features': ['f'] };
const index: Json = {
  schemaVersion: 2,
  mediaType: mediaTypes.ociIndex,
  manifests: [{ mediaType: mediaTypes.ociManifest, digest, size: 5, platform }],
  annotations: { x: 'y' },
};
const config: Json = {
  architecture: 'amd64',
  os: 'linux',
  variant: '',
  created: '2024-05-06T07:08:09Z',
  author: 'a',
  config: {
    User: '1',
    ExposedPorts: { '80/tcp': {} },
    Env: ['A=b'],
    Entrypoint: ['/x'],
    Cmd: ['y'],
    Volumes: { '/v': {} },
    WorkingDir: '/',
    Labels: { a: 'b' },
    StopSignal: 'SIGTERM',
    ArgsEscaped: true,
    Healthcheck: { Test: ['NONE'] },
    OnBuild: ['RUN x'],
    Shell: ['/bin/sh'],
  },
  rootfs: { type: 'layers', diff_ids: [digest, digest] },
  history: [{ created: '2024-05-06T07:08:09Z', created_by: 'x', comment: 'c', author: 'a', empty_layer: true }],
};

/** Where every value of a document is. */
function placesIn(value: Json, at: readonly string[] = []): string[][] {
  const below = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  return [[...at], ...below.flatMap(([key, item]) => placesIn(item, [...at, key]))];
}

/** The document with another value at a place; undefined takes it away. */
function replaced(value: Json, [key, ...rest]: readonly string[], by: unknown): unknown {
  if (key === undefined) return by;
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) };
  const old = Object.getOwnPropertyDescriptor(copy, key)?.value as Json;
  // An assignment to `__proto__` would make no key of that name.
  const now = { value: replaced(old, rest, by), enumerable: true, configurable: true, writable: true };
  return Object.defineProperty(copy, key, now);
}

const oddValue = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>(
    undefined,
    null,
    true,
    -1,
    0,
    0.5,
    2 ** 53,
    1e308,
    '',
    ' ',
    '__proto__',
    [],
    {},
    [[]],
    [null],
  ),
  fc.constantFrom<unknown>(digest, digest.toUpperCase(), 'sha256:', `sha512:${'0'.repeat(128)}`, '../../etc/passwd'),
  fc.constantFrom<unknown>(...acceptedManifestTypes, 'text/html', manifest, index, config, [layer], layer),
);
const oddKey = fc.constantFrom('__proto__', 'constructor', 'toString', 'layers', 'manifests', 'config', 'fsLayers', '');

/** @returns whether it was taken; anything thrown but `invalid` fails the test */
function survives(parse: (bytes: Uint8Array) => unknown, bytes: Uint8Array): boolean {
  try {
    parse(bytes);
    return true;
  } catch (error) {
    assert.ok(error instanceof EngineError && error.code === 'invalid', String(error));
    assert.ok(error.message.length < 1000, 'a message is for people');
    return false;
  }
}

const kinds: [name: string, good: Json, parse: (bytes: Uint8Array, type?: string) => unknown][] = [
  ['a manifest', manifest, parseManifestDocument],
  ['an index', index, parseManifestDocument],
  ['an image config', config, (bytes) => parseImageConfig(bytes)],
];

for (const [name, good, parse] of kinds) {
  describe(name, () => {
    test('changed in up to three places it is read, or refused as invalid', () => {
      const change = fc.tuple(fc.constantFrom(...placesIn(good)), fc.option(oddKey), oddValue);
      const declared = fc.option(fc.constantFrom(...acceptedManifestTypes, 'text/html', ''), { nil: undefined });
      const counts = { taken: 0, refused: 0 };
      fc.assert(
        fc.property(fc.array(change, { maxLength: 3 }), declared, (changes, type) => {
          let document: unknown = good;
          for (const [place, key, value] of changes) {
            const path = key === null ? place : [...place, key];
            if (hasPlace(document, path)) document = replaced(document as Json, path, value);
          }
          const text = JSON.stringify(document) ?? '';
          const taken = survives((bytes) => parse(bytes, type), new TextEncoder().encode(text));
          counts[taken ? 'taken' : 'refused']++;
        }),
        { numRuns: 3000, seed: 20_260_103 },
      );
      assert.ok(counts.taken > 100 && counts.refused > 100, JSON.stringify(counts));
    });

    test('with any bytes changed or cut off it is read, or refused as invalid', () => {
      const bytes = bytesOf(good);
      fc.assert(
        fc.property(fc.nat(bytes.length), fc.uint8Array({ maxLength: 4 }), fc.boolean(), (at, put, cut) => {
          const changed = new Uint8Array(bytes);
          changed.set(put.subarray(0, bytes.length - at), at);
          survives(parse, cut ? changed.subarray(0, at) : changed);
        }),
        { numRuns: 2000, seed: 20_260_104 },
      );
    });
  });
}

/** Whether all but the last step of a path leads through objects and lists. */
function hasPlace(document: unknown, path: readonly string[]): boolean {
  let at = document;
  for (const key of path.slice(0, -1)) {
    if (typeof at !== 'object' || at === null) return false;
    at = Object.hasOwn(at, key) ? (at as Record<string, unknown>)[key] : undefined;
  }
  return path.length === 0 || (typeof at === 'object' && at !== null);
}

describe('documents made to be expensive', () => {
  const small = { mediaType: 'a', digest, size: 1 };
  const upTo = (prefix: string, filling: string, suffix: string): Uint8Array => {
    const count = Math.floor((largestDocument - prefix.length - suffix.length) / filling.length);
    return new TextEncoder().encode(prefix + filling.repeat(count) + suffix);
  };
  const cases: [name: string, bytes: () => Uint8Array, message: RegExp][] = [
    [
      '100,000 layers',
      () => bytesOf({ schemaVersion: 2, config: small, layers: Array(100_000).fill(small) }),
      /larger than the allowed/,
    ],
    [
      '100,000 empty layers',
      () => bytesOf({ schemaVersion: 2, config: small, layers: Array(100_000).fill({}) }),
      /layers has 100000 entries/,
    ],
    [
      '100,000 manifests',
      () => bytesOf({ schemaVersion: 2, manifests: Array(100_000).fill({}) }),
      /manifests has 100000 entries/,
    ],
    ['one byte too many', () => new Uint8Array(largestDocument + 1).fill(0x20), /larger than the allowed/],
    ['nothing but brackets', () => upTo('', '[', ''), /nested deeper/],
    ['nothing but objects', () => upTo('', '{"a":', ''), /nested deeper/],
    ['an endless string', () => upTo('{"a":"', '\\u0000', ''), /not valid JSON/],
    ['bytes that are no text', () => upTo('{"a":"', '!', '"}').map((byte) => (byte === 0x21 ? 0xff : byte)), /JSON/],
    ['a million keys', () => upTo('{"schemaVersion":3,"x":{', '"a":1,', '"b":1}}'), /schemaVersion must be 2/],
    ['a number without end', () => upTo('{"schemaVersion":', '1', '}'), /schemaVersion must be 2/],
  ];
  for (const [name, make, message] of cases) {
    test(name, () => {
      const bytes = make();
      const spent = startCpuClock();
      assert.throws(() => parseManifestDocument(bytes), { code: 'invalid', message });
      assert.ok(spent() < 1000, 'milliseconds of CPU');
    });
  }
});
