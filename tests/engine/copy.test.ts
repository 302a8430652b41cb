import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { must } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { tarOf } from '../support/tar.ts';
import { busybox, dockerOf } from './_docker.ts';

engineSuite('files of containers', {}, (engine) => {
  const docker = dockerOf(engine);
  /** A folder of the host, gone when `work` is over. */
  async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
    const folder = await mkdtemp(join(engine().folder, 'host-'));
    try {
      await work(folder);
    } finally {
      await rm(folder, { recursive: true });
    }
  }
  const sleeper = (...flags: string[]) => docker.ok('run', '-d', '--name', 'one', ...flags, busybox, 'sleep', '1000');
  const inside = (script: string) => docker.ok('exec', 'one', 'sh', '-c', script);
  /** The names in the archive that `docker cp CONTAINER:PATH -` gives. */
  const names = async (path: string) =>
    must('sh', ['-c', `docker cp one:${path} - | tar tf -`], { env: engine().clientEnv() });

  for (const state of ['running', 'stopped']) {
    test(`files go in and come out of a ${state} container`, () =>
      withFolder(async (folder) => {
        await sleeper();
        await inside('mkdir -p /data/sub; echo deep > /data/sub/file; ln -s sub/file /data/link; ln -s /data/sub /to');
        if (state === 'stopped') await docker.ok('stop', '-t', '0', 'one');
        await docker.ok('cp', 'one:/data', join(folder, 'out'));
        assert.equal(await readFile(join(folder, 'out/sub/file'), 'utf8'), 'deep\n');
        assert.equal(await readlink(join(folder, 'out/link')), 'sub/file');
        await docker.ok('cp', 'one:/data/link', join(folder, 'link'));
        assert.equal(await readlink(join(folder, 'link')), 'sub/file');
        await docker.ok('cp', '-L', 'one:/data/link', join(folder, 'followed'));
        assert.equal(await readFile(join(folder, 'followed'), 'utf8'), 'deep\n');
        await writeFile(join(folder, 'new'), 'from outside\n', { mode: 0o640 });
        await docker.ok('cp', join(folder, 'new'), 'one:/to');
        await docker.ok('cp', join(folder, 'new'), 'one:/data/renamed');
        await docker.ok('cp', `${folder}/out/.`, 'one:/data/sub');
        await docker.ok('cp', 'one:/to/new', join(folder, 'back'));
        assert.equal(await readFile(join(folder, 'back'), 'utf8'), 'from outside\n');
        assert.equal((await stat(join(folder, 'back'))).mode & 0o777, 0o640);
        assert.equal(await names('/data/sub/.'), './\n./file\n./link\n./new\n./sub/\n./sub/file');
        assert.equal(await names('/data/sub'), 'sub/\nsub/file\nsub/link\nsub/new\nsub/sub/\nsub/sub/file');
        assert.equal(await names('/data/renamed'), 'renamed');
        assert.equal(await names('/to'), 'to');
      }));
  }

  test('what is not there, and what cannot be, is said in Docker’s words', () =>
    withFolder(async (folder) => {
      await sleeper();
      await writeFile(join(folder, 'file'), 'x');
      await mkdir(join(folder, 'dir'));
      const says = async (words: RegExp, ...args: string[]) => {
        const { code, stderr } = await docker('cp', ...args);
        assert.equal(code, 1, args.join(' '));
        assert.match(stderr, words);
      };
      await says(/Could not find the file \/missing in container one/, 'one:/missing', folder);
      await says(
        /Could not find the file \/missing in container one|no such directory/,
        join(folder, 'file'),
        'one:/missing/',
      );
      await says(/No such container: nobody/, 'nobody:/etc', folder);
      await says(/cannot copy directory/, join(folder, 'dir'), 'one:/etc/passwd');
      const path = '/v1.44/containers/one/archive';
      assert.equal((await engine().api('GET', path)).status, 400);
      assert.equal((await engine().api('HEAD', `${path}?path=/nothing`)).status, 404);
      assert.equal((await engine().api('PUT', `${path}?path=/nothing`)).status, 404);
      assert.equal((await engine().api('PUT', `${path}?path=/etc/passwd`)).status, 400);
      const { status, headers } = await engine().api('HEAD', `${path}?path=/bin/sh`);
      assert.equal(status, 200);
      const shown = JSON.parse(Buffer.from(String(headers['x-docker-container-path-stat']), 'base64').toString()) as {
        name: string;
      };
      assert.equal(shown.name, 'sh');
    }));

  test('diff shows what was added, changed and deleted, and nothing else', async () => {
    await sleeper();
    assert.equal(await docker.ok('diff', 'one'), '');
    await inside(
      'echo x > /etc/new; mkdir -p /a/b; touch /a/b/c; rm /bin/wget; chmod 700 /root; echo x >> /etc/passwd',
    );
    const lines = (await docker.ok('diff', 'one')).split('\n').sort();
    assert.deepEqual(lines, [
      'A /a',
      'A /a/b',
      'A /a/b/c',
      'A /etc/new',
      'C /bin',
      'C /etc',
      'C /etc/passwd',
      'C /root',
      'D /bin/wget',
    ]);
  });

  test('export and import give the same root again', async () => {
    await sleeper('-v', '/volume', '--tmpfs', '/temp');
    await inside(
      'echo here > /volume/file; echo x > /temp/file; ln /bin/busybox /hard; echo kept > /kept; mkfifo /fifo',
    );
    for (const state of ['running', 'stopped']) {
      if (state === 'stopped') await docker.ok('stop', '-t', '0', 'one');
      await must('sh', ['-c', 'docker export one | docker import - exported:1'], { env: engine().clientEnv() });
      const script = 'cat /kept; ls /volume /temp; test -p /fifo && test /hard -ef /bin/busybox && echo same';
      assert.equal(await docker.ok('run', '--rm', 'exported:1', 'sh', '-c', script), 'kept\n/temp:\n\n/volume:\nsame');
    }
  });

  test('volumes and binds are part of what is copied, what is read-only stays as it is', () =>
    withFolder(async (folder) => {
      await writeFile(join(folder, 'file'), 'bound\n');
      await mkdir(join(folder, 'rw'));
      await symlink('/etc/passwd', join(folder, 'rw/link'));
      await docker.ok(
        'create',
        '--name',
        'one',
        '--read-only',
        '-v',
        'named:/vol',
        '-v',
        `${folder}:/ro:ro`,
        '-v',
        `${folder}/rw:/rw`,
        busybox,
        'true',
      );
      await docker.ok('cp', join(folder, 'file'), 'one:/vol/in-volume');
      await docker.ok('cp', join(folder, 'file'), 'one:/rw/in-bind');
      assert.equal(await readFile(join(folder, 'rw/in-bind'), 'utf8'), 'bound\n');
      assert.equal(await docker.ok('run', '--rm', '-v', 'named:/v', busybox, 'cat', '/v/in-volume'), 'bound');
      const refused = async (words: RegExp, target: string) => {
        const { code, stderr } = await docker('cp', join(folder, 'file'), target);
        assert.equal(code, 1);
        assert.match(stderr, words);
      };
      await refused(/mounted volume is marked read-only/, 'one:/ro/x');
      await refused(/container rootfs is marked read-only/, 'one:/tmp/x');
      await refused(/container rootfs is marked read-only/, 'one:/x');
      await docker.ok('cp', 'one:/ro/file', join(folder, 'copy'));
      assert.equal(await readFile(join(folder, 'copy'), 'utf8'), 'bound\n');
    }));

  test('owners, modes and attributes arrive as they are in the archive', async () => {
    await docker.ok(
      'create',
      '--name',
      'one',
      '--user',
      '1000:2000',
      busybox,
      'stat',
      '-c',
      '%n %u:%g %a %h %Y',
      '/in/suid',
      '/in/dir',
      '/in/hard',
    );
    const archive = tarOf([
      { name: 'suid', body: 'x', mode: 0o4755, uid: 11, gid: 22 },
      { name: 'dir/', mode: 0o1777, uid: 11, gid: 22 },
      { name: 'hard', type: 'hardlink', link: 'suid', mode: 0o4750, uid: 11, gid: 22 },
      { name: '.wh.plain', body: '' },
      { name: 'deep/er/file', body: 'y' },
    ]);
    await docker.ok('cp', '-', 'one:/tmp').catch(() => undefined);
    const put = (flags: string) => docker.fed(archive, 'cp', ...flags.split(' ').filter(Boolean), '-', 'one:/in');
    assert.notEqual((await put('')).code, 0);
    await docker.fed(tarOf([{ name: 'in/' }]), 'cp', '-', 'one:/');
    assert.equal((await put('')).stderr, '');
    const time = '1704067200';
    assert.equal(
      await docker.ok('start', '-a', 'one'),
      `/in/suid 11:22 4750 2 ${time}\n/in/dir 11:22 1777 2 ${time}\n/in/hard 11:22 4750 2 ${time}`,
    );
    assert.equal((await put('-a')).stderr, '');
    assert.equal(
      await docker.ok('start', '-a', 'one'),
      `/in/suid 1000:2000 4750 2 ${time}\n/in/dir 1000:2000 1777 2 ${time}\n/in/hard 1000:2000 4750 2 ${time}`,
    );
    assert.equal(
      (await names('/in')).split('\n').join(' '),
      'in/ in/.wh.plain in/deep/ in/deep/er/ in/deep/er/file in/dir/ in/hard in/suid',
    );
  });
});
