import assert from 'node:assert/strict';
import test from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import type { Digest } from '../../base/ids.ts';
import type { ImageLayerView, ImageManifestSummary, ImageSummary } from '../../spec/engine/image.ts';
import { layerTree } from './_layer-tree.ts';
import { platformTree } from './_platform-tree.ts';

const digest = (digit: string) => `sha256:${digit.repeat(64)}` as Digest;

const layer = (digit: string, content: number, unpacked: number): ImageLayerView => ({
  Digest: digest(digit),
  DiffID: digest(digit),
  Size: { Content: content, Unpacked: unpacked },
});

function manifest(digit: string, architecture: string, more: { users?: string[]; layers?: ImageLayerView[] }) {
  const { users = [], layers } = more;
  const summary: ImageManifestSummary = {
    ID: digest(digit),
    Descriptor: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: digest(digit), size: 500 },
    Available: layers !== undefined,
    Kind: 'image',
    Size: { Content: 29_000_000, Total: 107_000_000 },
    ImageData: {
      Platform: { os: 'linux', architecture },
      Containers: users,
      Size: { Unpacked: 78_000_000 },
      ...(layers === undefined ? {} : { Layers: layers }),
    },
  };
  return summary;
}

const image = (digit: string, names: string[], manifests: ImageManifestSummary[]): ImageSummary => ({
  Id: digest(digit),
  ParentId: '',
  RepoTags: names,
  RepoDigests: [],
  Created: 1,
  Size: 107_000_000,
  SharedSize: -1,
  Containers: 0,
  Labels: {},
  Manifests: manifests,
});

const [base, first, second, third] = [
  layer('a', 29_000_000, 78_000_000),
  layer('b', 1_000_000, 3_000_000),
  layer('c', 2_000_000, 5_000_000),
  layer('d', 500_000, 900_000),
];
const images = [
  image(
    '1',
    ['web:2', 'web:1'],
    [manifest('2', 'amd64', { users: ['c1'], layers: [base, first] }), manifest('3', 'arm64', {})],
  ),
  image('4', [], [manifest('4', 'amd64', { layers: [base, second, third] })]),
  image('5', ['debian:13'], [manifest('5', 'amd64', { layers: [base] })]),
];

const shown = (text: string) => text.split('\n').map((line) => line.trimEnd());

test('images with their platforms', () => {
  const table = [
    'IMAGE            ID             DISK USAGE   CONTENT SIZE   EXTRA',
    'debian:13        555555555555        107MB           29MB',
    '└─ linux/amd64   555555555555        107MB           29MB',
    '',
    'web:1',
    'web:2            111111111111        107MB           58MB   U',
    '├─ linux/amd64   222222222222        107MB           29MB   U',
    '└─ linux/arm64   333333333333        107MB           29MB',
    '',
    '<untagged>       444444444444        107MB           29MB',
    '└─ linux/amd64   444444444444        107MB           29MB',
    '',
    '',
  ];
  assert.deepEqual(shown(platformTree(images, { width: 0, colors: false })), table);
  const [legend = '', ...wide] = shown(platformTree(images, { width: 80, colors: false }));
  assert.deepEqual([legend.length, legend.trim()], [80, 'Info ->  U In Use']);
  assert.deepEqual(wide, table);
  // Columns that find no room go from the right.
  const heads = (width: number) => shown(platformTree(images, { width, colors: false }))[1]?.split(/ {2,}/);
  assert.deepEqual(heads(60), ['IMAGE', 'ID', 'DISK USAGE', 'CONTENT SIZE']);
  assert.deepEqual(heads(30), ['IMAGE', 'ID']);
  const colored = platformTree(images, { width: 80, colors: true });
  const uncolored = stripVTControlCharacters(colored);
  assert.deepEqual(shown(uncolored).slice(3, 4), ['└─ linux/amd64   555555555555        107MB           29MB']);
  assert.ok(colored.includes('\x1b[2m└─ linux/arm64\x1b[0m'));
});

test('a name that is longer than its column stands on a line of its own', () => {
  const long = `registry.example/${'x'.repeat(60)}:1`;
  const lines = shown(platformTree([image('1', [long], [])], { width: 80, colors: false }));
  assert.deepEqual(lines.slice(2, 3), [long]);
  assert.match(lines[3] ?? '', /^ +111111111111 +107MB +0B$/);
});

test('layers that images share', () => {
  assert.deepEqual(shown(layerTree(images)), [
    'LAYER             ON DISK   CONTENT   IMAGES',
    'aaaaaaaaaaaa      107MB     29MB      debian:13',
    '├─ cccccccccccc   7MB       2MB',
    '│  dddddddddddd   1.4MB     500kB     <untagged> 444444444444',
    '└─ bbbbbbbbbbbb   4MB       1MB       web:1, web:2',
    '',
    '3 images, 4 layers of 119MB; sharing saves 214MB',
    '',
  ]);
  assert.deepEqual(shown(layerTree([])).slice(1), ['', '0 images, 0 layers of 0B; sharing saves 0B', '']);
});
