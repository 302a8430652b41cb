/** Layers that are made here are compressed once; every tool reads them, and an image keeps its id wherever it goes. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { busyboxLayer, layerOf, sha256 } from '../support/crafted-image.ts';
import { dockerdProgram, isOracle, startEngine } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { startPodman } from '../support/podman.ts';
import { startRegistry } from '../support/registry.ts';
import { must, run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

interface Layer {
  readonly mediaType: string;
  readonly digest: string;
}

const gzip = 'application/vnd.oci.image.layer.v1.tar+gzip';
const zstd = 'application/vnd.oci.image.layer.v1.tar+zstd';
const plain = 'application/vnd.oci.image.layer.v1.tar';
const text = 'what was written here\n';

engineSuite('layers that are made here', { skip: isOracle() && 'Docker compresses them at the push' }, (engine) => {
  const docker = dockerOf(engine);
  const blob = (digest: string) => join(engine().paths.dataRoot, 'blobs/sha256', digest.slice('sha256:'.length));
  const layersOf = async (name: string): Promise<readonly Layer[]> => {
    const id = await docker.ok('image', 'inspect', '--format', '{{.Id}}', name);
    return (JSON.parse(await readFile(blob(id), 'utf8')) as { layers: Layer[] }).layers;
  };
  const typesOf = async (name: string) => (await layersOf(name)).map(({ mediaType }) => mediaType);
  const gantry = async (words: readonly string[], input?: Uint8Array) => {
    const [program, ...first] = gantryProgram;
    const options = { env: engine().clientEnv(), timeout: 60_000, ...(input === undefined ? {} : { input }) };
    const { code, stdout, stderr } = await run(program, [...first, ...words], options);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  };
  /** A container that wrote some text; `docker rm -f` is left to the suite. */
  const changed = () =>
    docker.ok(
      'run',
      '--name',
      'one',
      busybox,
      'sh',
      '-c',
      `for i in $(seq 2000); do echo '${text.trim()}'; done > /text`,
    );

  test('by gzip, or as the client wishes', async () => {
    await changed();
    await docker.ok('commit', 'one', 'made:gzip');
    await gantry(['commit', '--compression=zstd', 'one', 'made:zstd']);
    await gantry(['commit', '--compression=none', 'one', 'made:none']);
    const below = await typesOf(busybox);
    assert.deepEqual(await typesOf('made:gzip'), [...below, gzip]);
    assert.deepEqual(await typesOf('made:zstd'), [...below, zstd]);
    assert.deepEqual(await typesOf('made:none'), [...below, plain]);
    const sizes = await Promise.all(
      ['gzip', 'zstd', 'none'].map(
        async (tag) => (await readFile(blob((await layersOf(`made:${tag}`)).at(-1)?.digest ?? ''))).length,
      ),
    );
    assert.ok((sizes[0] ?? 0) < 2000 && (sizes[1] ?? 0) < 2000 && (sizes[2] ?? 0) > 40_000, String(sizes));
    for (const tag of ['gzip', 'zstd', 'none']) {
      assert.equal(await docker.ok('run', '--rm', `made:${tag}`, 'head', '-n1', '/text'), text.trim());
      assert.equal(
        await docker.ok('image', 'inspect', '--format', '{{index .RootFS.Layers 1}}', `made:${tag}`),
        await docker.ok('image', 'inspect', '--format', '{{index .RootFS.Layers 1}}', 'made:none'),
      );
    }
  });

  test('another word is refused, and nothing is made', async () => {
    await changed();
    const before = await docker.ok('images', '-aq');
    const wrong = await engine().api('POST', '/v1.44/commit?container=one&repo=a&compression=lzma');
    assert.equal(wrong.status, 400);
    assert.match(wrong.text, /invalid compression: \\"lzma\\": expected one of gzip, zstd, none/);
    assert.equal((await engine().api('POST', '/v1.44/images/create?fromSrc=-&compression=GZIP', 'x')).status, 400);
    assert.equal(await docker.ok('images', '-aq'), before);
  });

  test('an imported archive is compressed, or kept as it is', async () => {
    const archive = (await busyboxLayer()).blob;
    const [packed, small] = [gzipSync(archive), zstdCompressSync(archive)];
    await docker.fed(archive, 'import', '-', 'imported:plain');
    await gantry(['import', '--compression=zstd', '-', 'imported:zstd'], archive);
    await docker.fed(packed, 'import', '-', 'imported:gzip');
    await gantry(['import', '--compression=none', '-', 'imported:kept'], small);
    assert.deepEqual(await typesOf('imported:plain'), [gzip]);
    assert.deepEqual(await typesOf('imported:zstd'), [zstd]);
    assert.deepEqual(await layersOf('imported:gzip'), [
      { mediaType: gzip, digest: `sha256:${sha256(packed)}`, size: packed.length },
    ]);
    assert.deepEqual(await layersOf('imported:kept'), [
      { mediaType: zstd, digest: `sha256:${sha256(small)}`, size: small.length },
    ]);
    for (const tag of ['plain', 'zstd', 'gzip', 'kept']) {
      const diffIds = await docker.ok('image', 'inspect', '--format', '{{json .RootFS.Layers}}', `imported:${tag}`);
      assert.equal(diffIds, `["sha256:${sha256(archive)}"]`);
    }
  });

  test('pushed and pulled back, it is the image that it was', async () => {
    await using registry = await startRegistry(engine().namespaces);
    await changed();
    const name = `${registry.host}/made:here`;
    await docker.ok('commit', 'one', name);
    const id = await docker.ok('image', 'inspect', '--format', '{{.Id}}', name);
    assert.match(await docker.ok('push', name), new RegExp(`^here: digest: ${id} size: `, 'm'));
    assert.equal(await docker.ok('image', 'inspect', '--format', '{{.Id}}', name), id);
    await docker.ok('rmi', name);
    await docker.ok('pull', '-q', name);
    assert.equal(await docker.ok('image', 'inspect', '--format', '{{.Id}}', name), id);
    assert.equal(await docker.ok('run', '--rm', name, 'head', '-n1', '/text'), text.trim());
  });

  test('dockerd and podman load what was saved, and pull what was pushed', { timeout: 300_000 }, async () => {
    await using registry = await startRegistry(engine().namespaces);
    await changed();
    const names = ['gzip', 'zstd'].map((word) => `${registry.host}/made:${word}`);
    for (const name of names) {
      await gantry(['commit', `--compression=${name.split(':').at(-1)}`, 'one', name]);
      await docker.ok('push', '-q', name);
    }
    const file = join(engine().folder, 'saved.tar');
    await docker.ok('save', '-o', file, ...names);
    const [look, ...words] = ['run', '--rm', '--network=none'];
    await using other = await startEngine({ program: dockerdProgram(), isOther: true });
    await other.dockerOk(['load', '-q', '-i', file]);
    for (const name of names)
      assert.equal(await other.dockerOk([look ?? '', ...words, name, 'head', '-n1', '/text']), text.trim());
    await using podman = await startPodman(engine());
    await podman.ok('load', '-q', '-i', file);
    for (const name of names) assert.equal((await podman.fileOf(name, '/text')).split('\n')[0], text.trim());
    await podman.ok('rmi', '-f', ...names);
    for (const name of names) {
      await podman.ok('pull', '-q', '--tls-verify=false', name);
      assert.equal((await podman.fileOf(name, '/text')).split('\n')[0], text.trim());
    }
    await must('rm', [file]);
  });
});

engineSuite(
  '--layer-compression',
  { flags: ['--layer-compression=zstd'], skip: isOracle() && 'an own flag' },
  (engine) => {
    test('is what layers get when nobody says', async () => {
      await engine().dockerOk(['import', '-', 'imported:x'], { input: layerOf({ name: 'file', body: 'text' }).blob });
      const id = await engine().dockerOk(['image', 'inspect', '--format', '{{.Id}}', 'imported:x']);
      const manifest = await readFile(join(engine().paths.dataRoot, 'blobs/sha256', id.slice(7)), 'utf8');
      assert.deepEqual(
        (JSON.parse(manifest) as { layers: Layer[] }).layers.map(({ mediaType }) => mediaType),
        [zstd],
      );
    });
  },
);
