/** Images go through other tools and come back as what they were. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { busyboxLayer, type CraftedLayer, layerOf, ociBlobs, ociLayout, sha256 } from '../support/crafted-image.ts';
import { dockerdProgram, startEngine } from '../support/engine.ts';
import { testImage } from '../support/images.ts';
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

/** Podman sees /run and /dev/shm of its own: its locks there have fixed names. crun 1.8 refuses v1 controllers beside a v2 tree. */
const podmanScript = `
mount -t tmpfs none /run && mount -t tmpfs none /dev/shm
if [ -d /sys/fs/cgroup/unified ]; then umount /sys/fs/cgroup/unified; fi
folder=$1; shift
exec podman --root=$folder/data --runroot=$folder/run --tmpdir=$folder/tmp --storage-driver=vfs \
  --cgroup-manager=cgroupfs --events-backend=none "$@"`;

engineSuite('podman', {}, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);
  const diffIds = (name: string) => docker('image', 'inspect', '--format', '{{json .RootFS.Layers}}', name);
  const shown = '{{json .RootFS.Layers}} {{json .Config.Cmd}}';

  /** What `work` gets runs podman; its images are gone afterwards. */
  async function withPodman(
    work: (podman: (...words: string[]) => Promise<string>, folder: string) => Promise<void>,
  ): Promise<void> {
    const folder = await mkdtemp(join(engine().folder, 'podman-'));
    const podman = async (...words: string[]): Promise<string> => {
      const script = ['unshare', '--mount', 'sh', '-c', podmanScript, 'sh', folder, ...words];
      const [program, ...rest] = engine().namespaces.enter(script);
      return (await must(program, rest)).trim();
    };
    try {
      await work(podman, folder);
    } finally {
      // Podman's own clean-up of a container that was run may still be at it.
      await rm(folder, { recursive: true, maxRetries: 50, retryDelay: 100 });
    }
  }
  const greeting = layerOf({ name: 'greeting', body: 'from afar' });
  const image = async () => ({
    names: ['crafted:one'],
    layers: [packed(await busyboxLayer()), greeting],
    config: { Cmd: ['cat', '/greeting'] },
  });
  const runWords = [
    'run',
    '--rm',
    '--network=none',
    '--cgroups=disabled',
    '--ulimit=nofile=1024:1024',
    '--ulimit=nproc=1024:1024',
    '--security-opt=seccomp=unconfined',
  ];

  test('takes what is saved here, as docker archive and as OCI layout, and runs it', async () => {
    await engine().dockerOk(['load'], { input: ociLayout(await image()) });
    await docker('create', '--name=changed', 'crafted:one');
    await docker('commit', '--change=CMD ["cat", "/greeting", "/greeting"]', 'changed', 'crafted:two');
    const before = [
      await docker('image', 'inspect', '--format', shown, 'crafted:one'),
      await docker('image', 'inspect', '--format', shown, 'crafted:two'),
    ];
    await withPodman(async (podman, folder) => {
      const file = join(folder, 'saved.tar');
      await docker('save', '-o', file, 'crafted:one', 'crafted:two');
      await podman('load', '-q', '-i', file);
      for (const [at, name] of ['one', 'two'].entries()) {
        const local = `localhost/crafted:${name}`;
        const layers = JSON.parse(
          await podman('image', 'inspect', '--format', '{{json .RootFS.Layers}}', local),
        ) as string[];
        assert.ok(before[at]?.startsWith(JSON.stringify(layers)), name);
        assert.equal(await podman(...runWords, local), 'from afar'.repeat(at + 1));
      }
      await podman('rmi', '--all');
      await docker('save', '-o', file, 'crafted:one');
      await podman('pull', '-q', `oci-archive:${file}:one`);
      const [id = ''] = (await podman('images', '-q')).split('\n');
      assert.equal(await podman(...runWords, id), 'from afar');
    });
  });

  test('brings images built by podman, in each of the forms it saves', async () => {
    await withPodman(async (podman, folder) => {
      const { recipe } = await testImage('busybox');
      const context = join(folder, 'context');
      await mkdir(context);
      await writeFile(join(context, 'root.tar'), await readFile(recipe.layers[0] ?? ''));
      const steps = ['FROM scratch', 'ADD root.tar /', 'RUN echo built > /built', 'CMD ["cat", "/built"]'];
      await writeFile(join(context, 'Dockerfile'), steps.join('\n'));
      await podman('build', '-q', '--isolation=chroot', '--layers=false', '-t', 'docker.io/library/built:1', context);
      const ids = await podman('image', 'inspect', '--format', '{{json .RootFS.Layers}}', 'built:1');
      for (const form of ['docker-archive', 'oci-archive', 'oci-dir']) {
        const target = join(folder, form);
        await podman('save', '-q', `--format=${form}`, '-o', target, 'docker.io/library/built:1');
        if (form === 'oci-dir') await must('tar', ['-cf', `${target}.tar`, '-C', target, '.']);
        const said = await docker('load', '-q', '-i', form === 'oci-dir' ? `${target}.tar` : target);
        const name = /^Loaded image(?: ID)?: (\S+)$/.exec(said)?.[1] ?? said;
        if (form !== 'oci-dir') assert.equal(name, 'built:1');
        assert.equal(await diffIds(name), JSON.stringify(JSON.parse(ids)), form);
        assert.equal(await docker('run', '--rm', name), 'built', form);
        await docker('rmi', name);
      }
    });
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
