import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { busyboxLayer, dockerArchive, layerOf } from '../support/crafted-image.ts';
import { exists } from '../support/image-archive.ts';
import { engineSuite } from '../support/suite.ts';

const image = 'gantry-test/busybox:1';

engineSuite('volumes and binds', { images: ['busybox', 'node'] }, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);
  const sh = (flags: readonly string[], script: string) => docker('run', '--rm', ...flags, image, 'sh', '-c', script);
  const volumes = async (...flags: string[]) =>
    (await docker('volume', 'ls', '-q', ...flags)).split('\n').filter(Boolean);
  async function refuses(flags: readonly string[], says: RegExp): Promise<void> {
    const { code, stderr } = await engine().docker(['run', '--rm', ...flags, image, 'true']);
    assert.equal(code, 125, flags.join(' '));
    assert.match(stderr, says);
  }
  /** A folder of the host with a file in it, gone when `work` is over. */
  async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
    const folder = await mkdtemp(join(engine().folder, 'host-'));
    try {
      await writeFile(join(folder, 'file'), 'of the host\n');
      await work(folder);
    } finally {
      await rm(folder, { recursive: true });
    }
  }
  /** An image with files where volumes go. */
  async function loadPrefilled(config: object = {}): Promise<string> {
    const data = layerOf(
      { name: 'data/', mode: 0o2750, uid: 1000, gid: 2000 },
      { name: 'data/file', body: 'of the image', mode: 0o640, uid: 1000 },
      { name: 'data/sub/deep', body: 'deep' },
      { name: 'data/link', type: 'symlink', link: 'file' },
      { name: 'data/hard', type: 'hardlink', link: 'data/file' },
    );
    const layers = [await busyboxLayer(), data];
    await engine().dockerOk(['load'], { input: dockerArchive({ names: ['crafted:prefilled'], layers, config }) });
    return 'crafted:prefilled';
  }

  test('binds of directories and files, writable and not', () =>
    withFolder(async (folder) => {
      assert.equal(await sh(['-v', `${folder}:/host`], 'cat /host/file; echo new > /host/new'), 'of the host');
      assert.equal(await readFile(join(folder, 'new'), 'utf8'), 'new\n');
      assert.equal(await sh(['-v', `${folder}/file:/one`], 'cat /one; echo changed > /one'), 'of the host');
      assert.equal(await readFile(join(folder, 'file'), 'utf8'), 'changed\n');
      const readOnly =
        'cat /host/new; echo x 2>/dev/null > /host/new || echo refused; rm /host/new 2>/dev/null || echo refused';
      for (const flags of [
        ['-v', `${folder}:/host:ro`],
        ['--mount', `type=bind,source=${folder},target=/host,readonly`],
      ]) {
        assert.equal(await sh(flags, readOnly), 'new\nrefused\nrefused');
      }
      assert.equal(await sh(['-v', `${folder}/file:/one:ro`], 'echo x 2>/dev/null > /one || echo refused'), 'refused');
    }));

  test('a missing source is made for -v and an error for --mount', () =>
    withFolder(async (folder) => {
      await sh(['-v', `${folder}/a/b:/host`], 'echo x > /host/x');
      assert.equal(await readFile(join(folder, 'a/b/x'), 'utf8'), 'x\n');
      assert.equal((await stat(join(folder, 'a'))).mode & 0o777, 0o755);
      const missing = join(folder, 'missing');
      await refuses(
        ['--mount', `type=bind,source=${missing},target=/host`],
        /invalid mount config for type "bind": bind source path does not exist: \S+\/missing/,
      );
      assert.equal(await exists(missing), false);
      await refuses(
        ['-v', 'relative/path:/host'],
        /relative\/path.*includes invalid characters for a local volume name/,
      );
      await refuses(['-v', `${folder}:relative`], /mount path must be absolute|invalid mount path/);
      await refuses(['-v', `${folder}:/`], /destination can't be '\/'|invalid/);
      await refuses(['-v', `${folder}:/x:nonsense`], /invalid mode: nonsense/);
      await refuses(['-v', `${folder}:/x`, '-v', `${folder}/file:/x`], /Duplicate mount point: \/x/);
    }));

  test('a named volume begins with what the image has there, owners and links included, and keeps what is written', async () => {
    const prefilled = await loadPrefilled();
    const run = (script: string, ...flags: string[]) => docker('run', '--rm', ...flags, prefilled, 'sh', '-c', script);
    const show =
      "stat -c '%a %u %g' /data /data/file; readlink /data/link; [ /data/hard -ef /data/file ] && echo same; cat /data/sub/deep";
    const before = await run(show);
    assert.equal(before, '2750 1000 2000\n640 1000 0\nfile\nsame\ndeep');
    assert.equal(await run(show, '-v', 'kept:/data'), before);
    await run('echo changed > /data/file; rm /data/sub/deep', '-v', 'kept:/data');
    assert.equal(await run('cat /data/file; ls /data/sub', '-v', 'kept:/elsewhere', '-v', 'kept:/data'), 'changed');
    assert.equal(await run('ls -A /data', '-v', 'bare:/data:nocopy'), '');
    const mounts = ['--mount', 'type=volume,source=other,target=/data,volume-nocopy'];
    assert.equal(await run('ls -A /data', ...mounts), '');
  });

  test('anonymous volumes of the image: one for each container, gone with --rm and rm -v', async () => {
    const prefilled = await loadPrefilled({ Volumes: { '/data': {}, '/var/new': {} } });
    assert.equal(await docker('run', '--rm', prefilled, 'cat', '/data/file'), 'of the image');
    assert.deepEqual(await volumes(), []);
    const id = await docker('run', '-d', '-v', '/third', prefilled, 'sleep', '1000');
    const names = await volumes();
    assert.equal(names.length, 3);
    for (const name of names) assert.match(name, /^[0-9a-f]{64}$/);
    const template = '{{range .Mounts}}{{.Type}} {{.Destination}} {{.Driver}} {{.RW}}{{"\\n"}}{{end}}';
    const shown = (await docker('inspect', '--format', template, id)).trim().split('\n').toSorted();
    assert.deepEqual(shown, ['volume /data local true', 'volume /third local true', 'volume /var/new local true']);
    await docker('rm', '-f', id);
    assert.equal((await volumes()).length, 3);
    await docker('volume', 'prune', '-f');
    assert.deepEqual(await volumes(), []);
    await docker('rm', '-f', '-v', await docker('run', '-d', prefilled, 'sleep', '1000'));
    assert.deepEqual(await volumes(), []);
    await docker('run', '--rm', '-v', 'named:/data', prefilled, 'true');
    assert.deepEqual(await volumes(), ['named']);
  });

  test('volume create, ls, inspect, rm', async () => {
    assert.equal(await docker('volume', 'create', '--label', 'team=blue', 'mine'), 'mine');
    assert.equal(await docker('volume', 'create', 'mine'), 'mine');
    const anonymous = await docker('volume', 'create');
    assert.match(anonymous, /^[0-9a-f]{64}$/);
    assert.deepEqual(await volumes('--filter', 'label=team=blue'), ['mine']);
    assert.deepEqual(await volumes('--filter', 'name=min'), ['mine']);
    assert.equal((await volumes('--filter', 'dangling=true')).length, 2);
    const [view] = JSON.parse(await docker('volume', 'inspect', 'mine')) as [
      { Name: string; Driver: string; Mountpoint: string; Labels: object; Scope: string; CreatedAt: string },
    ];
    assert.deepEqual([view.Name, view.Driver, view.Scope, view.Labels], ['mine', 'local', 'local', { team: 'blue' }]);
    assert.equal(view.Mountpoint, join(engine().paths.dataRoot, 'volumes/mine/_data'));
    assert.ok(await exists(view.Mountpoint));
    assert.equal(await docker('volume', 'rm', 'mine', anonymous), `mine\n${anonymous}`);
    assert.equal(await exists(view.Mountpoint), false);
    for (const [command, says] of [
      [['rm', 'mine'], /get mine: no such volume/],
      [['inspect', 'mine'], /get mine: no such volume/],
      [['create', '../up'], /includes invalid characters for a local volume name/],
      [['create', 'x'], /includes invalid characters|too short/],
      [['create', '--driver', 'nowhere', 'named'], /nowhere/],
    ] as const) {
      const { code, stderr } = await engine().docker(['volume', ...command]);
      assert.equal(code, 1, command.join(' '));
      assert.match(stderr, says);
    }
    assert.equal((await engine().docker(['volume', 'rm', '-f', 'mine'])).code, 0);
  });

  test('a volume in use stays, also for prune, also for a stopped container', async () => {
    const id = await docker('create', '-v', 'used:/v', image, 'true');
    const { code, stderr } = await engine().docker(['volume', 'rm', 'used']);
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`remove used: volume is in use - \\[${id}\\]`));
    await docker('volume', 'create', 'unused');
    assert.doesNotMatch(await docker('volume', 'prune', '-a', '-f'), /\bused\b/);
    assert.deepEqual(await volumes(), ['used']);
    assert.equal(await docker('ps', '-aq', '--no-trunc', '--filter', 'volume=used'), id);
    await docker('rm', id);
    await docker('volume', 'rm', 'used');
  });

  test('the socket of the engine, bound into a container, answers there', async () => {
    const flags = ['--user', '0', '-v', `${engine().paths.socket}:/var/run/docker.sock`];
    const ask = `require('http').get({ socketPath: '/var/run/docker.sock', path: '/_ping' }, (answer) => answer.pipe(process.stdout))`;
    assert.equal(await docker('run', '--rm', ...flags, 'gantry-test/node:1', 'node', '-e', ask), 'OK');
  });

  test('mounts inside of mounts, in whatever order they are given', () =>
    withFolder(async (folder) => {
      await mkdir(join(folder, 'inner'));
      const flags = ['-v', 'deep:/a/inner/deep', '--tmpfs', '/a/inner/tmp:size=1m,mode=1777', '-v', `${folder}:/a`];
      await sh(
        [...flags, '-v', `${folder}/file:/a/inner/deep/file`],
        'echo x > /a/inner/deep/x; df -k /a/inner/tmp | tail -1',
      ).then((shown) => assert.match(shown, /^tmpfs\s+1024\s/));
      assert.equal(await sh(['-v', 'deep:/v'], 'cat /v/x'), 'x');
      assert.deepEqual(await exists(join(folder, 'inner/deep/x')), false);
    }));

  test('a read-only root with writable volumes, tmpfs and missing targets', () =>
    withFolder(async (folder) => {
      const flags = ['--read-only', '-v', 'data:/new/data', '-v', `${folder}:/other`, '--tmpfs', '/tmp'];
      const script =
        'for f in /new/data /other /tmp /new /etc; do (echo x > $f/x) 2>/dev/null && echo "$f"; done; true';
      assert.equal(await sh(flags, script), '/new/data\n/other\n/tmp');
    }));

  test('a target behind a link of the image', () =>
    withFolder(async (folder) => {
      const flags = ['-v', `${folder}:/var/run/host`, '-v', 'linked:/var/run/volume'];
      assert.equal(
        await sh(flags, 'cat /run/host/file; readlink /var/run; mount | grep -c /run/'),
        'of the host\n../run\n2',
      );
      assert.equal(await sh(['-v', `${folder}:/var/run`], 'cat /run/file; readlink /var/run'), 'of the host\n../run');
    }));

  test('volumes-from', () =>
    withFolder(async (folder) => {
      await docker('create', '--name', 'giver', '-v', 'shared:/shared', '-v', `${folder}:/host`, image);
      assert.equal(await sh(['--volumes-from', 'giver'], 'cat /host/file; echo x > /shared/x'), 'of the host');
      const readOnly = '(echo y > /shared/x) 2>/dev/null || cat /shared/x';
      assert.equal(await sh(['--volumes-from', 'giver:ro'], readOnly), 'x');
      await refuses(['--volumes-from', 'nobody'], /No such container: nobody/);
    }));

  test('volumes and their content are there after the engine was killed', async () => {
    await sh(['-v', 'lasting:/v'], 'echo kept > /v/file');
    const id = await docker('run', '-d', '-v', 'lasting:/v', image, 'sleep', '1000');
    await engine().stop('SIGKILL');
    await engine().start();
    assert.deepEqual(await volumes(), ['lasting']);
    assert.equal(await docker('exec', id, 'cat', '/v/file'), 'kept');
    assert.match((await engine().docker(['volume', 'rm', 'lasting'])).stderr, /volume is in use/);
  });
});
