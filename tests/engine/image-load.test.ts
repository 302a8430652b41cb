import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { answeringMeanwhile } from '../support/answers.ts';
import {
  busyboxLayer,
  type CraftedLayer,
  dockerArchive,
  layerOf,
  ociLayout,
  ociMembers,
  sha256,
} from '../support/crafted-image.ts';
import { manyFilesGzip, testImage } from '../support/images.ts';
import { engineSuite } from '../support/suite.ts';
import { tarOf } from '../support/tar.ts';

const packedBy =
  (program: string) =>
  (input: Uint8Array): Buffer =>
    execFileSync(program, ['-c', '-1'], { input, maxBuffer: 1 << 30 });

engineSuite('docker load', {}, (engine) => {
  const load = (input: Uint8Array) => engine().dockerOk(['load'], { input });
  const run = (...words: string[]) => engine().dockerOk(['run', '--rm', ...words]);
  const greeting = (text: string): CraftedLayer => layerOf({ name: 'greeting', body: text });

  for (const [form, write] of [
    ['docker archive', dockerArchive],
    ['OCI layout', ociLayout],
  ] as const) {
    for (const [name, pack] of [
      ['plain', (bytes: Buffer) => bytes],
      ['gzip', gzipSync],
      ['zstd', zstdCompressSync],
      ['xz', packedBy('xz')],
      ['bzip2', packedBy('bzip2')],
    ] as const) {
      test(`takes a ${form}, ${name}`, async () => {
        const image = { names: ['crafted:one'], layers: [await busyboxLayer(), greeting('hello')] };
        assert.equal(await load(pack(write(image))), 'Loaded image: crafted:one');
        assert.equal(await run('crafted:one', 'cat', '/greeting'), 'hello');
      });
    }
  }

  test('takes layers that are compressed inside of an OCI layout', async () => {
    const plain = greeting('packed').blob;
    const layers = [await busyboxLayer(), { blob: gzipSync(plain), diffId: sha256(plain) }];
    const other = layerOf({ name: 'other', body: 'zstd' }).blob;
    layers.push({ blob: zstdCompressSync(other), diffId: sha256(other) });
    await load(ociLayout({ names: ['crafted:packed'], layers }));
    assert.equal(await run('crafted:packed', 'cat', '/greeting', '/other'), 'packedzstd');
  });

  test('takes layers of a docker archive that are compressed by xz or bzip2, and files so for a container', async () => {
    const layers = [await busyboxLayer()];
    for (const program of ['xz', 'bzip2']) {
      const plain = layerOf({ name: program, body: program }).blob;
      layers.push({ blob: packedBy(program)(plain), diffId: sha256(plain) });
    }
    await load(dockerArchive({ names: ['crafted:packed'], layers }));
    assert.equal(await run('crafted:packed', 'cat', '/xz', '/bzip2'), 'xzbzip2');
    const container = await engine().dockerOk(['create', 'crafted:packed', 'cat', '/xz', '/bzip2', '/new']);
    for (const program of ['xz', 'bzip2']) {
      const input = packedBy(program)(tarOf([{ name: 'new', body: `by ${program}` }]));
      await engine().dockerOk(['cp', '-', `${container}:/`], { input });
      assert.equal(await engine().dockerOk(['start', '--attach', container]), `xzbzip2by ${program}`);
    }
  });

  test('names all images of an archive, and tells the ids of those without a name', async () => {
    const base = await busyboxLayer();
    const archive = dockerArchive(
      { names: ['crafted:first', 'crafted:also'], layers: [base, greeting('first')] },
      { names: ['crafted:second'], layers: [base, greeting('second')] },
      { layers: [base, greeting('nameless')] },
    );
    const said = (await load(archive)).split('\n');
    assert.deepEqual(said.slice(0, 3).toSorted(), [
      'Loaded image: crafted:also',
      'Loaded image: crafted:first',
      'Loaded image: crafted:second',
    ]);
    const id = /^Loaded image ID: (sha256:[0-9a-f]{64})$/.exec(said[3] ?? '')?.[1] ?? '';
    assert.equal(await run(id, 'cat', '/greeting'), 'nameless');
    assert.equal(await run('crafted:also', 'cat', '/greeting'), 'first');
    assert.equal(await run('crafted:second', 'cat', '/greeting'), 'second');
  });

  test('does not care in which order members come', async () => {
    const image = { names: ['crafted:backwards'], layers: [await busyboxLayer(), greeting('backwards')] };
    await load(tarOf(ociMembers(image).toReversed()));
    assert.equal(await run('crafted:backwards', 'cat', '/greeting'), 'backwards');
  });

  test('takes the same archive twice', async () => {
    const archive = dockerArchive({ names: ['crafted:twice'], layers: [await busyboxLayer()] });
    assert.equal(await load(archive), await load(archive));
    const ids = (await engine().dockerOk(['images', '-q', 'crafted'])).split('\n');
    assert.equal(ids.length, 1);
  });

  test('says that a name moves to another image, which keeps the old one without a name', async () => {
    const base = await busyboxLayer();
    await load(dockerArchive({ names: ['crafted:moving'], layers: [base, greeting('old')] }));
    const old = await engine().dockerOk(['images', '-q', '--no-trunc', 'crafted:moving']);
    const said = await load(dockerArchive({ names: ['crafted:moving'], layers: [base, greeting('new')] }));
    assert.match(
      said,
      /^The image crafted:moving already exists, renaming the old one with ID sha256:\S+ to empty string$/m,
    );
    assert.equal(await run('crafted:moving', 'cat', '/greeting'), 'new');
    assert.equal(await engine().dockerOk(['images', '-q', '--no-trunc', '--filter', 'dangling=true']), old);
    assert.equal(await run(old, 'cat', '/greeting'), 'old');
  });

  test('quiet says nothing but the names', async () => {
    const input = dockerArchive({ names: ['crafted:quiet'], layers: [await busyboxLayer()] });
    assert.equal(await engine().dockerOk(['load', '-q'], { input }), 'Loaded image: crafted:quiet');
  });

  test('one platform of several, or none of them', async () => {
    const base = await busyboxLayer();
    const input = ociLayout({ names: ['crafted:foreign'], layers: [base], platform: { architecture: 's390x' } });
    await load(input);
    const shown = ['image', 'inspect', '--format', '{{.Os}}/{{.Architecture}}', 'crafted:foreign'];
    assert.equal(await engine().dockerOk(shown), 'linux/s390x');
    const refused = await engine().docker(['load', '--platform', 'linux/arm64'], { input });
    assert.notEqual(refused.code, 0);
  });

  test('an image without layers is there, but cannot run', async () => {
    await load(dockerArchive({ names: ['crafted:empty'], layers: [], config: { Cmd: ['/nothing'] } }));
    assert.equal(
      await engine().dockerOk(['image', 'inspect', '--format', '{{.RootFS.Layers}}', 'crafted:empty']),
      '[]',
    );
    const { code, stderr } = await engine().docker(['run', '--rm', 'crafted:empty']);
    assert.equal(code, 127);
    assert.match(stderr, /\/nothing.*no such file or directory/i);
  });

  test('30,000 files in one gzip file, and the engine answers meanwhile', async () => {
    const { archive, name } = await manyFilesGzip();
    await answeringMeanwhile(engine(), () => engine().dockerOk(['load', '-i', archive]));
    assert.equal(await run(name, 'sh', '-c', 'find /data -type f | wc -l'), '30000');
  });

  test('a small Debian, and one with Node in several layers', async () => {
    await engine().load('debian', 'node');
    const [debian, node] = await Promise.all([testImage('debian'), testImage('node')]);
    assert.match(await run(debian.name, 'dpkg-query', '--show', 'bash'), /^bash\s/);
    const script = 'console.log(process.cwd(), process.getuid(), require("os").userInfo === undefined, 6 * 7)';
    assert.equal(await run(node.name, 'node', '-e', script), '/app 1000 false 42');
  });
});
