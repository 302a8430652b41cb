/** Images go through other tools and come back as what they were. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { busyboxLayer, type CraftedLayer, layerOf, ociBlobs, ociLayout, sha256 } from '../support/crafted-image.ts';
import { dockerdProgram, startEngine } from '../support/engine.ts';
import { must } from '../support/run.ts';
import { startRegistry } from '../support/registry.ts';
import { engineSuite } from '../support/suite.ts';

const packed = ({ blob }: CraftedLayer): CraftedLayer => ({ blob: gzipSync(blob), diffId: sha256(blob) });

interface Layout {
  readonly manifests: readonly { readonly digest: string }[];
}

engineSuite('skopeo', {}, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);
  const field = (name: string, template: string) => docker('image', 'inspect', '--format', template, name);
  const diffIds = (name: string) => field(name, '{{json .RootFS.Layers}}');
  const socket = () => `unix://${engine().paths.socket}`;
  const copy = (from: string, to: string, ...more: string[]) => {
    const daemons = [
      ...(from.startsWith('docker-daemon:') ? ['--src-daemon-host', socket()] : []),
      ...(to.startsWith('docker-daemon:') ? ['--dest-daemon-host', socket()] : []),
    ];
    const words = ['skopeo', '--insecure-policy', 'copy', '--quiet', ...daemons, ...more, from, to];
    const [program, ...rest] = engine().namespaces.enter(words);
    return must(program, rest);
  };
  const greeting = layerOf({ name: 'greeting', body: 'from afar' });
  const image = async () => ({ names: ['crafted:one'], layers: [packed(await busyboxLayer()), packed(greeting)] });
  const inFolder = async (work: (folder: string) => Promise<void>): Promise<void> => {
    const folder = await mkdtemp(join(engine().folder, 'skopeo-'));
    try {
      await work(folder);
    } finally {
      await rm(folder, { recursive: true });
    }
  };
  const runs = async (name: string): Promise<void> =>
    assert.equal(await docker('run', '--rm', name, 'cat', '/greeting'), 'from afar');

  test('reads what was saved as OCI layout, with every digest as it was, and the reverse', async () => {
    const crafted = await image();
    await engine().dockerOk(['load'], { input: ociLayout(crafted) });
    const manifest = `sha256:${sha256(ociBlobs(crafted).manifest)}`;
    await inFolder(async (folder) => {
      await docker('save', '-o', join(folder, 'saved.tar'), 'crafted:one');
      await copy(`oci-archive:${folder}/saved.tar:one`, `oci:${folder}/layout:one`);
      const index = JSON.parse(await readFile(join(folder, 'layout/index.json'), 'utf8')) as Layout;
      assert.deepEqual(
        index.manifests.map(({ digest }) => digest),
        [manifest],
      );
      await docker('rmi', 'crafted:one');
      await copy(`oci:${folder}/layout:one`, `oci-archive:${folder}/back.tar:crafted:one`);
      await docker('load', '-i', join(folder, 'back.tar'));
      assert.equal(await field('crafted:one', '{{.Id}}'), manifest);
    });
    await runs('crafted:one');
  });

  test('takes images out of the engine and puts them there', async () => {
    await engine().dockerOk(['load'], { input: ociLayout(await image()) });
    const layers = await diffIds('crafted:one');
    await inFolder(async (folder) => {
      await copy('docker-daemon:crafted:one', `docker-archive:${folder}/out.tar:crafted:archived`);
      await copy('docker-daemon:crafted:one', 'docker-daemon:crafted:copied');
      await copy('docker-daemon:crafted:one', `oci:${folder}/layout:one`);
      await copy(`oci:${folder}/layout:one`, 'docker-daemon:crafted:layout');
      await docker('rmi', 'crafted:one');
      await docker('load', '-i', join(folder, 'out.tar'));
    });
    for (const name of ['crafted:archived', 'crafted:copied', 'crafted:layout']) {
      assert.equal(await diffIds(name), layers, name);
      await runs(name);
    }
  });

  test('brings saved images to a registry, from where they come back with the same id', async () => {
    const crafted = await image();
    await engine().dockerOk(['load'], { input: ociLayout(crafted) });
    const id = await field('crafted:one', '{{.Id}}');
    await using registry = await startRegistry(engine().namespaces);
    await inFolder(async (folder) => {
      await docker('save', '-o', join(folder, 'saved.tar'), 'crafted:one');
      const target = `docker://${registry.host}/crafted:one`;
      await copy(`oci-archive:${folder}/saved.tar:one`, target, '--dest-tls-verify=false', '--preserve-digests');
    });
    await docker('rmi', 'crafted:one');
    await docker('pull', '-q', `${registry.host}/crafted:one`);
    assert.equal(await field(`${registry.host}/crafted:one`, '{{.Id}}'), id);
    await runs(`${registry.host}/crafted:one`);
  });
});

engineSuite('dockerd', {}, (engine) => {
  test('loads what was saved here, and the reverse, with the same ids of configuration and layers', async () => {
    const docker = (...words: string[]) => engine().dockerOk(words);
    const shown = ['image', 'inspect', '--format', '{{json .RootFS.Layers}} {{json .Config.Cmd}} {{.Created}}'];
    const greeting = layerOf({ name: 'greeting', body: 'from afar' });
    const layers = [packed(await busyboxLayer()), packed(greeting)];
    await engine().dockerOk(['load'], {
      input: ociLayout({ names: ['crafted:one', 'crafted:two'], layers, config: { Cmd: ['cat', '/greeting'] } }),
    });
    await using other = await startEngine({ program: dockerdProgram(), isOther: true });
    const file = join(engine().folder, 'saved.tar');
    await docker('save', '-o', file, 'crafted:one', 'crafted:two', 'gantry-test/busybox:1');
    const said = await other.dockerOk(['load', '-q', '-i', file]);
    assert.deepEqual(said.split('\n').toSorted(), [
      'Loaded image: crafted:one',
      'Loaded image: crafted:two',
      'Loaded image: gantry-test/busybox:1',
    ]);
    const before = await docker(...shown, 'crafted:one');
    assert.equal(await other.dockerOk([...shown, 'crafted:one']), before);
    assert.equal(await other.dockerOk(['run', '--rm', 'crafted:one']), 'from afar');
    await docker('rmi', 'crafted:one', 'crafted:two');
    await other.dockerOk(['save', '-o', file, 'crafted:one', 'crafted:two']);
    await docker('load', '-q', '-i', file);
    await rm(file);
    assert.equal(await docker(...shown, 'crafted:two'), before);
    assert.equal(await docker('run', '--rm', 'crafted:one'), 'from afar');
  });
});
