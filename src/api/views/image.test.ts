import assert from 'node:assert/strict';
import test from 'node:test';
import type { Digest, DiffId } from '../../base/ids.ts';
import type { ImageInspect, ImageSummary } from '../../spec/engine/image.ts';
import { imageInspectView, imageSummaryView } from './image.ts';

const digest = `sha256:${'a'.repeat(64)}` as Digest;
const descriptor = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 3 };

/** An image that says nothing which may be left out. */
const bare: ImageInspect = {
  Id: digest,
  RepoTags: [],
  RepoDigests: [],
  Parent: '',
  Comment: '',
  Author: '',
  Config: { Env: [], Labels: {}, Cmd: ['/x'] },
  Architecture: 'amd64',
  Os: 'linux',
  Size: 7,
  GraphDriver: { Name: 'erofs', Data: null },
  RootFS: { Type: 'layers', Layers: [digest as unknown as DiffId] },
  Metadata: { LastTagTime: '0001-01-01T00:00:00Z' },
  Descriptor: descriptor,
};
const full: ImageInspect = {
  ...bare,
  Parent: digest,
  Comment: 'said',
  Author: 'me',
  Created: '2024-01-01T00:00:00Z',
  Variant: 'v7',
  OsVersion: '10',
  Manifests: [],
  Identity: { Pull: [{ Repository: 'docker.io/library/x' }] },
};
const keysOf = (value: unknown): string[] => Object.keys(value as object).sort();
const inspected = (image: ImageInspect, minor: number) => imageInspectView(image, minor) as Record<string, unknown>;

/** What Docker 29 answers for an image of its containerd store, read in its sources. */
const always = ['Architecture', 'Config', 'Id', 'Metadata', 'Os', 'RepoDigests', 'RepoTags', 'RootFS', 'Size'];
const until51 = ['Author', 'Comment', 'DockerVersion', 'GraphDriver', 'Parent'];
const fieldsOfBare: readonly [minor: number, fields: readonly string[]][] = [
  [24, [...until51, 'Container', 'ContainerConfig', 'Created', 'VirtualSize']],
  [43, [...until51, 'Container', 'ContainerConfig', 'Created', 'VirtualSize']],
  [44, [...until51, 'Container', 'ContainerConfig']],
  [45, until51],
  [47, until51],
  [48, [...until51, 'Descriptor']],
  [51, [...until51, 'Descriptor']],
  [52, ['Descriptor']],
  [55, ['Descriptor']],
];
const fieldsOfFull: readonly [minor: number, fields: readonly string[]][] = [
  [47, [...until51, 'Created', 'Variant', 'OsVersion']],
  [48, [...until51, 'Created', 'Variant', 'OsVersion', 'Descriptor', 'Manifests']],
  [52, ['Author', 'Comment', 'Parent', 'Created', 'Variant', 'OsVersion', 'Descriptor', 'Manifests']],
  [53, ['Author', 'Comment', 'Parent', 'Created', 'Variant', 'OsVersion', 'Descriptor', 'Manifests', 'Identity']],
];

test('the fields of an inspected image, version by version', () => {
  for (const [image, versions] of [[bare, fieldsOfBare] as const, [full, fieldsOfFull] as const]) {
    for (const [minor, fields] of versions) {
      assert.deepEqual(keysOf(inspected(image, minor)), [...always, ...fields].sort(), `1.${minor}`);
    }
  }
  assert.equal(inspected(bare, 43)['Created'], '0001-01-01T00:00:00Z');
  assert.equal(inspected(bare, 43)['VirtualSize'], 7);
});

test('the fields of its configuration, version by version', () => {
  const configOf = (minor: number) => inspected(bare, minor)['Config'] as Record<string, unknown>;
  const until51Fields = ['Cmd', 'Entrypoint', 'Env', 'Labels', 'OnBuild', 'User', 'Volumes', 'WorkingDir'];
  const until49Fields = 'AttachStderr AttachStdin AttachStdout Domainname Hostname Image OpenStdin StdinOnce Tty'.split(
    ' ',
  );
  assert.deepEqual(keysOf(configOf(49)), [...until51Fields, ...until49Fields].sort());
  assert.deepEqual(keysOf(configOf(51)), until51Fields);
  assert.deepEqual(configOf(51)['Env'], null);
  assert.deepEqual(configOf(51)['User'], '');
  assert.deepEqual(configOf(52), { Cmd: ['/x'] });
});

test('the fields of a listed image, version by version', () => {
  const summary: ImageSummary = {
    Id: digest,
    ParentId: '',
    RepoTags: [],
    RepoDigests: [],
    Created: 1,
    Size: 7,
    SharedSize: -1,
    Containers: 2,
    Labels: {},
    Descriptor: descriptor,
    Manifests: [],
  };
  const common = ['Containers', 'Created', 'Id', 'Labels', 'ParentId', 'RepoDigests', 'RepoTags', 'SharedSize', 'Size'];
  const versions: readonly [minor: number, fields: readonly string[]][] = [
    [24, ['VirtualSize']],
    [43, ['VirtualSize']],
    [44, []],
    [47, ['Manifests']],
    [48, ['Manifests', 'Descriptor']],
  ];
  const view = (minor: number) => imageSummaryView(summary, minor) as Record<string, unknown>;
  for (const [minor, fields] of versions) assert.deepEqual(keysOf(view(minor)), [...common, ...fields].sort());
  assert.deepEqual([view(42)['RepoTags'], view(42)['RepoDigests']], [['<none>:<none>'], ['<none>@<none>']]);
  assert.deepEqual([view(43)['RepoTags'], view(43)['RepoDigests']], [[], []]);
  assert.deepEqual([view(50)['Containers'], view(51)['Containers']], [-1, 2]);
});
