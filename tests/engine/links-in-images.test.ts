import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { busyboxLayer, dockerArchive, layerOf } from '../support/crafted-image.ts';
import { must, run, type RunResult } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { type TarMember, tarOf } from '../support/tar.ts';

/**
 * Images whose own directories are links to a place on the host: a runtime that follows one writes there. The place is
 * a directory of which nothing may change: the canary.
 */
engineSuite('links in images', { runtimes: ['runc'] }, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);

  /** Makes the canary, and compares it when `work` is over. */
  async function untouched(work: (canary: string) => Promise<void>): Promise<void> {
    const canary = await makeCanary();
    try {
      const before = await listing(canary);
      await work(canary);
      assert.equal(await listing(canary), before);
    } finally {
      await rm(canary, { recursive: true });
    }
  }

  /** The layer that attacks: `from` is a link to `to` of the canary, which the image has at the same path, too. */
  const attack = (canary: string, links: Readonly<Record<string, string>>): TarMember[] => [
    ...['dev', 'proc', 'sys', 'etc', 'data'].map((name) => ({ name: `${canary.slice(1)}/${name}/` })),
    ...Object.entries(links).flatMap(([from, to]): TarMember[] => [
      { name: `${from.includes('/') ? `${from.slice(0, from.lastIndexOf('/'))}/` : ''}.wh.${from.split('/').at(-1)}` },
      { name: from, type: 'symlink', link: join(canary, to) },
    ]),
  ];
  async function load(layer: readonly TarMember[], config: object = {}): Promise<void> {
    // Two layers: a whiteout hides only what lies below it.
    const [hidden, rest] = [
      layer.filter(({ name }) => name.includes('.wh.')),
      layer.filter(({ name }) => !name.includes('.wh.')),
    ];
    const layers = [await busyboxLayer(), layerOf(...hidden), layerOf(...rest)];
    await engine().dockerOk(['load'], { input: dockerArchive({ names: ['crafted:attack'], layers, config }) });
  }

  for (const runtime of ['crun', 'runc']) {
    test(`/dev, /proc and /sys, with ${runtime}`, () =>
      untouched(async (canary) => {
        await load(attack(canary, { dev: 'dev', proc: 'proc', sys: 'sys' }));
        const script = 'ls -ld /dev /proc /sys; ls /dev/null /proc/1/status /sys/kernel; echo x > /dev/null';
        const shown = await docker('run', '--rm', '--runtime', runtime, 'crafted:attack', 'sh', '-c', script);
        assert.doesNotMatch(shown, /->/);
        assert.match(shown, /\/dev\/null\n/);
      }));

    test(`the same without the guard writes into the host, with ${runtime}`, async () => {
      const canary = await makeCanary();
      const bundle = await realpath(await mkdtemp(join(tmpdir(), 'gantry-bundle-')));
      try {
        const before = await listing(canary);
        const members = attack(canary, { dev: 'dev' }).filter(({ name }) => !name.includes('.wh.'));
        await load(attack(canary, { dev: 'dev' }));
        const id = await docker('run', '-d', '--network', 'none', 'crafted:attack', 'sleep', '1000');
        assert.equal(await listing(canary), before);
        await runUnguarded(bundle, id, runtime, members);
        assert.notEqual(await listing(canary), before, 'the attack is one');
      } finally {
        await rm(canary, { recursive: true });
        await rm(bundle, { recursive: true });
      }
    });
  }

  /** Runs the engine's own configuration of a container with the image's files as they are, links and all. */
  async function runUnguarded(
    bundle: string,
    id: string,
    runtime: string,
    members: readonly TarMember[],
  ): Promise<RunResult> {
    const rootfs = join(bundle, 'rootfs');
    await mkdir(rootfs);
    for (const input of [(await busyboxLayer()).blob, tarOf(members)]) {
      await run(
        'rmdir',
        ['dev'].map((name) => join(rootfs, name)),
      );
      await must('tar', ['-xf', '-', '-C', rootfs], { input });
    }
    const { execRoot } = engine().paths;
    const found = join(execRoot, 'containers', id.slice(0, 20), 'config.json');
    const config = JSON.parse(await readFile(found, 'utf8')) as {
      root: object;
      process: object;
      mounts: { source: string }[];
      linux: { cgroupsPath?: string; resources?: object; namespaces: { type: string; path?: string }[] };
    };
    const { cgroupsPath: _path, resources: _limits, namespaces, ...linux } = config.linux;
    const weak = {
      ...config,
      root: { path: rootfs },
      process: { ...config.process, args: ['/bin/true'] },
      mounts: config.mounts.filter(({ source }) => !source.startsWith('/')),
      linux: { ...linux, namespaces: namespaces.map(({ type }) => ({ type })) },
    };
    await writeFile(join(bundle, 'config.json'), JSON.stringify(weak));
    const manager = runtime === 'crun' ? '--cgroup-manager=disabled' : '';
    // crun refuses a host with both versions of cgroups.
    const hide = 'umount /sys/fs/cgroup/unified 2>/dev/null;';
    const script = `${hide} exec ${runtime} ${manager} --root '${bundle}/state' run --bundle '${bundle}' weak`;
    return engine().inside(['unshare', '--mount', 'sh', '-c', script]);
  }

  test('/etc, and the files that the engine puts there', () =>
    untouched(async (canary) => {
      await load(attack(canary, { etc: 'etc' }));
      const shown = await docker(
        'run',
        '--rm',
        '--hostname',
        'inside',
        'crafted:attack',
        'cat',
        '/etc/hostname',
        '/etc/hosts',
      );
      assert.match(shown, /^inside\n127\.0\.0\.1\slocalhost/);
      await load(attack(canary, { 'etc/resolv.conf': 'etc/file', 'etc/hosts': 'file', 'etc/hostname': 'none' }));
      assert.match(
        await docker('run', '--rm', '--hostname', 'inside', 'crafted:attack', 'cat', '/etc/hostname'),
        /^inside$/,
      );
    }));

  test('the working directory, also a missing one, and that of exec', () =>
    untouched(async (canary) => {
      await load(attack(canary, { work: 'data' }), { WorkingDir: '/work/made/here' });
      assert.equal(await docker('run', '--rm', 'crafted:attack', 'pwd'), `${canary}/data/made/here`);
      const id = await docker('run', '-d', 'crafted:attack', 'sleep', '1000');
      assert.equal(await docker('exec', '-w', '/work', id, 'pwd'), `${canary}/data`);
      for (const fd of [3, 4, 5, 6, 7, 8, 9, 10]) {
        const { code, stdout } = await engine().docker([
          'exec',
          '-w',
          `/proc/self/fd/${fd}`,
          id,
          'cat',
          '../../etc/shadow',
        ]);
        assert.notEqual(code, 0);
        assert.doesNotMatch(stdout, /root:/);
      }
    }));

  test('targets of binds, volumes and tmpfs', () =>
    untouched(async (canary) => {
      await load(attack(canary, { target: 'data', 'var/cache': 'data' }), { Volumes: { '/var/cache/image': {} } });
      const source = join(engine().folder, 'source');
      await mkdir(source, { recursive: true });
      await writeFile(join(source, 'file'), 'bound');
      const script =
        'cat /target/bind/file; echo x > /target/volume/x; echo x > /target/tmp/x; echo x > /var/cache/image/x; mount | grep -c canary';
      const flags = ['-v', `${source}:/target/bind`, '-v', 'named:/target/volume', '--tmpfs', '/target/tmp'];
      const shown = await docker('run', '--rm', ...flags, 'crafted:attack', 'sh', '-c', script);
      assert.equal(shown, 'bound4');
      const file = await docker(
        'run',
        '--rm',
        '-v',
        `${source}/file:/target/file`,
        'crafted:attack',
        'cat',
        '/target/file',
      );
      assert.equal(file, 'bound');
      await rm(source, { recursive: true });
    }));

  test('a new volume is filled with what the image has behind the link, not the host', () =>
    untouched(async (canary) => {
      const inImage = { name: `${canary.slice(1)}/data/of-the-image`, body: '' };
      await load([...attack(canary, { target: 'data' }), inImage]);
      assert.equal(
        await docker('run', '--rm', '-v', 'filled:/target', 'crafted:attack', 'ls', '/target'),
        'of-the-image',
      );
    }));

  test('users and groups are looked up in the image', () =>
    untouched(async (canary) => {
      await load(attack(canary, { 'etc/passwd': 'passwd', 'etc/group': 'group' }));
      const { code, stderr } = await engine().docker(['run', '--rm', '--user', 'ofthehost', 'crafted:attack', 'id']);
      assert.equal(code, 125);
      assert.match(stderr, /unable to find user ofthehost: no matching entries in passwd file/);
    }));

  test('a link of the image itself goes on to work as a target', async () => {
    const script = 'cat /run/mine; [ -L /var/run ] && echo link';
    const source = join(engine().folder, 'mine');
    await writeFile(source, 'bound\n');
    await docker('run', '--rm', '-v', `${source}:/var/run/mine`, 'gantry-test/busybox:1', 'sh', '-c', script).then(
      (shown) => assert.equal(shown, 'bound\nlink'),
    );
    await rm(source);
  });
});

async function makeCanary(): Promise<string> {
  const canary = await realpath(await mkdtemp(join(tmpdir(), 'gantry-canary-')));
  for (const name of ['dev', 'proc', 'sys', 'etc', 'data']) await mkdir(join(canary, name));
  await writeFile(join(canary, 'file'), 'canary');
  await writeFile(join(canary, 'data/of-the-host'), 'canary');
  await writeFile(join(canary, 'passwd'), 'ofthehost:x:4321:4321::/:/bin/sh\n');
  await writeFile(join(canary, 'group'), 'ofthehost:x:4321:\n');
  return canary;
}

/** Names, inodes, modes, owners, times, links and contents. */
async function listing(folder: string): Promise<string> {
  const names = await must('find', [folder, '-printf', '%p %i %m %U:%G %n %s %T@ %C@\n']);
  return `${names}\n${await must('sh', ['-c', `find '${folder}' -type f -exec sha256sum {} + | sort`])}`;
}
