import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe as group, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { hexOf } from '../base/ids.ts';
import { noFilters } from '../spec/engine/filters.ts';
import { mediaTypes } from '../spec/oci/image.ts';
import { composeLayout } from '../spec/oci/layout.ts';
import {
  describe,
  json,
  joined,
  layoutOf,
  makeImage,
  makeIndex,
  openTestImages,
  sha256,
  tar,
  type TestMember,
} from './_fixture.ts';

const list = { sharedSize: false, manifests: false, filters: noFilters };

group('what can be loaded', () => {
  test('an OCI layout, plain, gzip and zstd: the Id is the digest of the manifest', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a', 'b']);
    const plain = await tar(layoutOf([{ target: image.target, name: 'docker.io/library/x:1' }], image.blobs.values()));
    for (const bytes of [plain, gzipSync(plain), zstdCompressSync(plain)]) {
      assert.deepEqual(await t.load([bytes]), ['Loaded image: x:1']);
      const found = await t.images.resolve('x:1');
      assert.equal(found.id, image.target.digest);
      assert.deepEqual(found.layers, image.layers.map(sha256));
      assert.deepEqual(found.config.config.Cmd, ['/x']);
    }
    const { blobs, layers } = await t.stored();
    assert.deepEqual(new Set(blobs), new Set(image.blobs.keys()));
    assert.deepEqual(new Set(layers), new Set(image.layers.map(sha256)));
    assert.deepEqual(t.events, Array(3).fill(`load ${image.target.digest}`));
  });

  test('in chunks of any size, index first or last', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a']);
    const members = layoutOf([{ target: image.target, name: 'x' }], image.blobs.values());
    const bytes = await tar(members.reverse());
    const chunks = Array.from({ length: Math.ceil(bytes.length / 97) }, (_, at) =>
      bytes.subarray(at * 97, at * 97 + 97),
    );
    assert.deepEqual(await t.load(chunks), ['Loaded image: x:latest']);
  });

  test('what composeLayout makes of files', async (context) => {
    const t = await openTestImages(context);
    const content = new TextEncoder().encode('#!/bin/sh\n');
    const said = await t.load(
      composeLayout({
        reference: 'docker.io/library/made:1',
        platform: { os: 'linux', architecture: 'amd64' },
        config: { Cmd: ['/bin/x'] },
        files: [
          { kind: 'directory', path: 'bin', mode: 0o755 },
          { kind: 'file', path: 'bin/x', mode: 0o755, content },
          { kind: 'link', path: 'bin/y', target: 'x' },
        ],
      }),
    );
    assert.deepEqual(said, ['Loaded image: made:1']);
    assert.equal((await t.images.resolve('made:1')).layers.length, 1);
  });

  const dockerArchive = async (
    names: string[],
    links: boolean,
  ): Promise<{ members: TestMember[]; layers: readonly Uint8Array[] }> => {
    const { config, layers } = await makeImage(names);
    const [first = new Uint8Array(), second = new Uint8Array()] = layers;
    const duplicate: TestMember = links
      ? { name: 'two/layer.tar', type: 'symlink', linkName: '../one/layer.tar' }
      : { name: 'two/layer.tar', content: second };
    return {
      layers,
      members: [
        { name: 'one/', type: 'directory' },
        { name: 'one/VERSION', content: new TextEncoder().encode('1.0') },
        { name: 'one/json', content: json({ id: 'one' }) },
        { name: 'one/layer.tar', content: first },
        duplicate,
        { name: 'config.json', content: config },
        {
          name: 'manifest.json',
          content: json([
            { Config: 'config.json', RepoTags: ['a:1', 'b/c:2'], Layers: ['one/layer.tar', 'two/layer.tar'] },
          ]),
        },
        { name: 'repositories', content: json({ a: { 1: 'one' } }) },
      ],
    };
  };

  test('a docker archive without manifests: it always gets the same id', async (context) => {
    const t = await openTestImages(context);
    const { members, layers } = await dockerArchive(['x', 'y'], false);
    assert.deepEqual(await t.load([await tar(members)]), ['Loaded image: a:1', 'Loaded image: b/c:2']);
    const { id, layers: found } = await t.images.resolve('a:1');
    assert.deepEqual(found, layers.map(sha256));
    assert.equal((await t.images.resolve('b/c:2')).id, id);
    await t.load([gzipSync(await tar(members))]);
    assert.equal((await t.images.resolve('a:1')).id, id);
    assert.equal((await t.images.list(list)).length, 1);
  });

  test('duplicate layers that are links inside the archive', async (context) => {
    const t = await openTestImages(context);
    const { members } = await dockerArchive(['x', 'x'], true);
    await t.load([await tar(members)]);
    assert.equal(new Set((await t.images.resolve('a:1')).layers).size, 1);
  });

  test('an image without a name', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a']);
    const said = await t.load([await tar(layoutOf([{ target: image.target }], image.blobs.values()))]);
    assert.deepEqual(said, [`Loaded image ID: ${image.target.digest}`]);
    assert.equal((await t.images.resolve(hexOf(image.target.digest).slice(0, 12))).id, image.target.digest);
  });

  test('several images in one archive; a name that moves leaves the old one dangling', async (context) => {
    const t = await openTestImages(context);
    const [first, second] = [await makeImage(['a']), await makeImage(['a', 'b'])];
    const blobs = [...first.blobs.values(), ...second.blobs.values()];
    const both = [
      { target: first.target, name: 'x' },
      { target: second.target, name: 'y' },
    ];
    assert.deepEqual(await t.load([await tar(layoutOf(both, blobs))]), [
      'Loaded image: x:latest',
      'Loaded image: y:latest',
    ]);
    const said = await t.load([await tar(layoutOf([{ target: second.target, name: 'x' }], blobs))]);
    assert.match(said[0] ?? '', /^The image x:latest already exists, renaming the old one with ID sha256:/);
    const dangling = await t.images.list({ ...list, filters: new Map([['dangling', ['true']]]) });
    assert.deepEqual(
      dangling.map(({ Id }) => Id),
      [first.target.digest],
    );
  });

  test('an index of which only some platforms are there', async (context) => {
    const t = await openTestImages(context);
    const [amd, arm] = [await makeImage(['a']), await makeImage(['b'], { architecture: 'arm64' })];
    const index = makeIndex([
      { image: arm, architecture: 'arm64' },
      { image: amd, architecture: 'amd64' },
    ]);
    await t.load([await tar(layoutOf([{ target: index.target, name: 'x' }], [index.bytes, ...amd.blobs.values()]))]);
    assert.equal((await t.images.resolve('x')).id, index.target.digest);
    await assert.rejects(t.images.resolve('x', 'linux/arm64'), {
      code: 'not-found',
      message: /does not match the specified platform/,
    });
    // Loaded again with the rest, the image has both.
    await t.load([await tar(layoutOf([{ target: index.target, name: 'x' }], [index.bytes, ...arm.blobs.values()]))]);
    assert.equal((await t.images.resolve('x', 'linux/arm64')).platform.architecture, 'arm64');
    assert.equal((await t.images.resolve('x')).platform.architecture, 'amd64');
  });

  test('only the wanted platforms; none of them there: what there is instead, and nothing is loaded', async (context) => {
    const t = await openTestImages(context);
    const [amd, arm] = [await makeImage(['a']), await makeImage(['b'], { architecture: 'arm64' })];
    const index = makeIndex([
      { image: arm, architecture: 'arm64' },
      { image: amd, architecture: 'amd64' },
    ]);
    const archive = (...images: (typeof amd)[]): Promise<Uint8Array> =>
      tar(
        layoutOf(
          [{ target: index.target, name: 'x' }],
          [index.bytes, ...images.flatMap(({ blobs }) => [...blobs.values()])],
        ),
      );
    const refused = async (bytes: Uint8Array, platforms: string[], message: RegExp): Promise<void> => {
      await assert.rejects(t.load([bytes], platforms), { code: 'not-found', message });
      assert.deepEqual(await t.stored(), { blobs: [], layers: [] });
    };
    await refused(
      await archive(amd, arm),
      ['linux/s390x', 'linux/ppc64le'],
      /^image x:latest does not provide .*\(linux\/s390x, linux\/ppc64le\): it has linux\/arm64, linux\/amd64$/,
    );
    await refused(
      await archive(amd),
      ['linux/arm64'],
      /^requested .*\(linux\/arm64\) found, but some content is missing/,
    );
    const single = await tar(layoutOf([{ target: arm.target, name: 'x' }], arm.blobs.values()));
    await refused(single, ['linux/amd64'], /\(linux\/amd64\): it has linux\/arm64$/);
    await t.load([await archive(amd, arm)], ['linux/s390x', 'linux/arm64']);
    assert.equal((await t.images.resolve('x', 'linux/arm64')).platform.architecture, 'arm64');
    await assert.rejects(t.images.resolve('x', 'linux/amd64'), { code: 'not-found' });
  });

  for (const program of ['xz', 'bzip2'] as const) {
    test(`${program}: the archive, its layers, and layers of an OCI layout, which stay as they are`, async (context) => {
      const t = await openTestImages(context);
      const pack = (input: Uint8Array): Uint8Array => new Uint8Array(execFileSync(program, ['-c'], { input }));
      const { config, layers, target } = await makeImage(['a', 'b']);
      const [first = new Uint8Array(), second = new Uint8Array()] = layers;
      const members: TestMember[] = [
        { name: 'c.json', content: config },
        { name: 'a/layer.tar', content: pack(first) },
        { name: 'b/layer.tar', content: second },
        {
          name: 'manifest.json',
          content: json([{ Config: 'c.json', RepoTags: ['x'], Layers: ['a/layer.tar', 'b/layer.tar'] }]),
        },
      ];
      assert.deepEqual(await t.load([pack(await tar(members))]), ['Loaded image: x:latest']);
      const { blobs } = await t.stored();
      assert.deepEqual([...new Set(layers.map(sha256)).difference(new Set(blobs))], []);
      const odd = await makeImage(['a', 'b'], { pack });
      assert.notEqual(odd.target.digest, target.digest);
      await t.load([await tar(layoutOf([{ target: odd.target, name: 'y' }], odd.blobs.values()))]);
      assert.deepEqual((await t.images.resolve('y')).layers, layers.map(sha256));
    });
  }

  test('after a restart everything is there again', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a'], { labels: { k: 'v' } });
    await t.load([await tar(layoutOf([{ target: image.target, name: 'x' }], image.blobs.values()))]);
    const before = await t.images.list(list);
    await t.reopen();
    await t.images.sweep();
    assert.deepEqual(await t.images.list(list), before);
    assert.deepEqual((await t.images.resolve('x')).layers, image.layers.map(sha256));
  });
});

group('bad archives: a clear error, and nothing left', () => {
  const good = makeImage(['a', 'b']);
  const goodLayout = async (): Promise<TestMember[]> => {
    const { target, blobs } = await good;
    return layoutOf([{ target, name: 'x' }], blobs.values());
  };
  const withMember = async (member: TestMember): Promise<Uint8Array> => tar([...(await goodLayout()), member]);
  const docker = (layers: string[], members: TestMember[], config: Uint8Array): Promise<Uint8Array> =>
    tar([
      ...members,
      { name: 'c.json', content: config },
      { name: 'manifest.json', content: json([{ Config: 'c.json', RepoTags: ['x'], Layers: layers }]) },
    ]);

  const cases: [name: string, archive: () => Promise<Uint8Array>, code: string, message: RegExp][] = [
    ['nothing', async () => new Uint8Array(), 'invalid', /neither index\.json/],
    ['no archive', async () => new TextEncoder().encode('hello '.repeat(1000)), 'corrupt', /tar/],
    [
      'an archive of Docker before 1.10',
      () => tar([{ name: 'repositories', content: json({ x: { latest: 'a' } }) }]),
      'invalid',
      /before 1\.10/,
    ],
    [
      'an archive of other things',
      () => tar([{ name: 'readme', content: json('x') }]),
      'invalid',
      /neither index\.json/,
    ],
    ['cut gzip', async () => gzipSync(await withMember({ name: 'z' })).subarray(0, -200), 'corrupt', /image archive/],
    ['cut tar', async () => (await withMember({ name: 'z' })).subarray(0, 3000), 'corrupt', /tar: the archive ends/],
    ['a path out', () => withMember({ name: 'a/../../x', content: json(1) }), 'invalid', /leads out of the archive/],
    ['an absolute path', () => withMember({ name: '/etc/x', content: json(1) }), 'invalid', /absolute path/],
    ['a device', () => withMember({ name: 'dev', type: 'char', major: 1, minor: 3 }), 'invalid', /device/],
    [
      'a link out',
      () => withMember({ name: 'a/l', type: 'symlink', linkName: '../../etc/shadow' }),
      'invalid',
      /the link "a\/l" leads out/,
    ],
    [
      'an absolute link',
      () => withMember({ name: 'l', type: 'symlink', linkName: '/etc/shadow' }),
      'invalid',
      /leads out/,
    ],
    ['bad blob name', () => withMember({ name: 'blobs/sha256/xyz', content: json({}) }), 'invalid', /is no digest/],
    [
      'wrong blob bytes',
      async () => {
        const members = await goodLayout();
        const blob = members.find(({ content }) => content !== undefined && content.length > 2000);
        return tar(members.map((member) => (member === blob ? { ...member, content: new Uint8Array(3000) } : member)));
      },
      'corrupt',
      /blob sha256:|digest/,
    ],
    [
      'wrong document bytes',
      async () =>
        tar(
          (await goodLayout()).map((m) =>
            m.content?.[0] === 0x7b && m.name.startsWith('blobs/') ? { ...m, content: json({ x: 1 }) } : m,
          ),
        ),
      'corrupt',
      /has the digest/,
    ],
    [
      'a missing layer',
      async () => {
        const { target, blobs, layers } = await good;
        return tar(
          layoutOf(
            [{ target, name: 'x' }],
            [...blobs.values()].filter((bytes) => bytes !== layers[1]),
          ),
        );
      },
      'not-found',
      /incomplete: blob sha256:\w+ is missing/,
    ],
    [
      'another diff ID',
      async () => {
        const image = await makeImage(['a'], { diffIds: [sha256(json('other'))] });
        return tar(layoutOf([{ target: image.target, name: 'x' }], image.blobs.values()));
      },
      'corrupt',
      /invalid diffID for layer/,
    ],
    [
      'another number of layers',
      async () => {
        const image = await makeImage(['a'], { diffIds: [] });
        return tar(layoutOf([{ target: image.target, name: 'x' }], image.blobs.values()));
      },
      'invalid',
      /has 1 layers, its config 0/,
    ],
    [
      'a name against the grammar',
      async () => {
        const { target, blobs } = await good;
        return tar(layoutOf([{ target, name: 'a b' }], blobs.values()));
      },
      'invalid',
      /invalid reference format/,
    ],
    [
      'a layer that is no archive',
      async () => {
        const junk = new Uint8Array(5000).fill(7);
        const config = json({
          architecture: 'amd64',
          os: 'linux',
          rootfs: { type: 'layers', diff_ids: [sha256(junk)] },
        });
        return docker(['l.tar'], [{ name: 'l.tar', content: junk }], config);
      },
      'corrupt',
      /tar/,
    ],
    [
      'links in a circle',
      async () => {
        const { config } = await makeImage(['a']);
        const link = (name: string, linkName: string): TestMember => ({ name, type: 'symlink', linkName });
        return docker(['a.tar'], [link('a.tar', 'b.tar'), link('b.tar', 'a.tar')], config);
      },
      'invalid',
      /circle/,
    ],
    [
      'a hostile layer',
      async () => {
        const layer = await tar([
          { name: 'd', type: 'symlink', linkName: '/etc' },
          { name: '../../x', content: json(1) },
        ]);
        const config = json({
          architecture: 'amd64',
          os: 'linux',
          rootfs: { type: 'layers', diff_ids: [sha256(layer)] },
        });
        return docker(['l.tar'], [{ name: 'l.tar', content: layer }], config);
      },
      'invalid',
      /x/,
    ],
    ['too many members', async () => joined(manyMembers(60_000)), 'invalid', /more than 50000 members/],
    [
      'a manifest that is an index, too',
      async () => {
        const { manifest, blobs } = await good;
        const both = json({ ...JSON.parse(new TextDecoder().decode(manifest)), manifests: [] });
        return tar(
          layoutOf([{ target: describe(mediaTypes.ociManifest, both), name: 'x' }], [...blobs.values(), both]),
        );
      },
      'invalid',
      /two different images/,
    ],
    [
      'manifest.json of the wrong shape',
      () => tar([{ name: 'manifest.json', content: json({}) }]),
      'invalid',
      /must be a list/,
    ],
    [
      'manifest.json of wrong types',
      () => tar([{ name: 'manifest.json', content: json([{ Config: 5 }]) }]),
      'invalid',
      /manifest\.json\[0\]\.Config/,
    ],
  ];
  for (const [name, archive, code, message] of cases) {
    test(name, async (context) => {
      const t = await openTestImages(context);
      await assert.rejects(t.load([await archive()]), { code, message });
      assert.deepEqual(await t.images.list(list), []);
      assert.deepEqual(await t.stored(), { blobs: [], layers: [] });
      assert.deepEqual(t.events, []);
    });
  }

  test('cancelled in the middle', async (context) => {
    const t = await openTestImages(context);
    const bytes = await tar(await goodLayout());
    const abort = new AbortController();
    async function* body() {
      yield bytes.subarray(0, 4000);
      abort.abort();
      yield bytes.subarray(4000);
    }
    const loading = t.images.load({
      body: body(),
      quiet: true,
      platforms: [],
      progress: () => undefined,
      signal: abort.signal,
    });
    await assert.rejects(loading);
    assert.deepEqual(await t.stored(), { blobs: [], layers: [] });
  });
});

function* manyMembers(count: number): Generator<Uint8Array> {
  const header = new Uint8Array(512);
  const text = (value: string, at: number) => header.set(new TextEncoder().encode(value), at);
  text('directory/', 0);
  text('0000755\0', 100);
  text('0000000\0', 108);
  text('0000000\0', 116);
  text('00000000000\0', 124);
  text('00000000000\0', 136);
  text('        5', 148);
  text('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  text(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  for (let at = 0; at < count; at++) yield header;
}
