/** `HostConfig.IpcMode` and `ShmSize`: whose shared memory and queues a container has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

const runtimes = isOracle() ? ['runc'] : ['crun', 'runc'];

engineSuite('the IPC namespace of a container', { runtimes }, (engine) => {
  const docker = dockerOf(engine);
  const start = (name: string, ...flags: string[]) =>
    docker.ok('run', '-d', `--name=${name}`, ...flags, busybox, 'sleep', '1000');
  const exec = (name: string, script: string) => docker.ok('exec', name, 'sh', '-c', script);
  const ipcOf = (name: string) => exec(name, 'readlink /proc/self/ns/ipc');

  for (const runtime of runtimes) {
    test(`shared memory of a shareable container, in ${runtime}`, async () => {
      await start('donor', '--ipc=shareable', '--shm-size=3m', `--runtime=${runtime}`);
      await start('joiner', '--ipc=container:donor', `--runtime=${runtime}`);
      await start('third', '--ipc=container:joiner', `--runtime=${runtime}`);
      assert.equal(await ipcOf('joiner'), await ipcOf('donor'));
      await exec('donor', 'echo from the donor > /dev/shm/file');
      assert.equal(await exec('joiner', 'cat /dev/shm/file; echo back > /dev/shm/other'), 'from the donor');
      assert.equal(await exec('donor', 'cat /dev/shm/other'), 'back');
      assert.equal(await exec('third', 'cat /dev/shm/file'), 'from the donor');
      const shm = await exec('donor', 'grep " /dev/shm " /proc/mounts; stat -c %a /dev/shm');
      assert.match(shm, /^shm \/dev\/shm tmpfs rw,nosuid,nodev,noexec,relatime,size=3072k[^\n]*\n1777$/);
      assert.equal(
        await docker.field('joiner', '{{.HostConfig.IpcMode}}'),
        `container:${await docker.field('donor', '{{.Id}}')}`,
      );
      await docker.ok('rm', '-f', 'donor');
      assert.equal(await exec('joiner', 'cat /dev/shm/file'), 'from the donor');
      const again = await docker('restart', '-t0', 'joiner');
      assert.equal(again.code, 1);
      assert.match(again.stderr, /failed to join IPC namespace|No such container/);
    });

    test(`private, none and the host's, in ${runtime}`, async () => {
      await start('private', `--runtime=${runtime}`);
      await start('none', '--ipc=none', `--runtime=${runtime}`);
      await start('host', '--ipc=host', `--runtime=${runtime}`);
      const own = await ipcOf('private');
      assert.notEqual(own, await ipcOf('none'));
      const { stdout: hosts } = await engine().inside(['readlink', '/proc/self/ns/ipc']);
      assert.equal(await ipcOf('host'), hosts.trim());
      assert.match(await exec('private', 'grep " /dev/shm " /proc/mounts'), /size=65536k/);
      assert.equal(
        await exec('none', 'grep -c " /dev/shm " /proc/mounts; ls -d /dev/mqueue || true'),
        '0\n/dev/mqueue',
      );
      assert.match(await exec('host', 'grep -c " /dev/shm " /proc/mounts'), /^[12]$/);
      assert.equal(await docker.field('private', '{{.HostConfig.IpcMode}}'), 'private');
      for (const name of ['private', 'none']) {
        const { code, stderr } = await docker('run', '--rm', `--ipc=container:${name}`, busybox, 'true');
        assert.equal(code, 125);
        assert.match(stderr, /non-shareable IPC \(hint: use IpcMode:shareable for the donor container\)/);
      }
      assert.equal(
        await docker.ok('run', '--rm', '--ipc=container:host', busybox, 'readlink', '/proc/self/ns/ipc'),
        hosts.trim(),
      );
    });
  }

  test('a donor that is missing, stopped, or whose /dev/shm is its own mount', async () => {
    await docker.ok('create', '--name=stopped', '--ipc=shareable', busybox);
    await start('mounted', '--ipc=shareable', '--tmpfs=/dev/shm:size=1m');
    for (const [donor, says] of [
      ['nobody', /No such container: nobody/],
      ['stopped', /is not running/],
      ['mounted', /non-shareable IPC/],
    ] as const) {
      const { code, stderr } = await docker('run', '--rm', `--ipc=container:${donor}`, busybox, 'true');
      assert.equal(code, 125, donor);
      assert.match(stderr, says);
    }
    assert.match(await exec('mounted', 'grep " /dev/shm " /proc/mounts'), /size=1024k/);
    for (const mode of ['shared', 'container']) {
      const { code, stderr } = await docker('create', `--ipc=${mode}`, busybox);
      assert.equal(code, 1, mode);
      assert.match(stderr, /invalid IPC mode: /);
    }
    const answer = await engine().api('POST', '/containers/create', { Image: busybox, HostConfig: { ShmSize: -1 } });
    assert.equal(answer.status, 400);
    assert.match(answer.text, /SHM size can not be less than 0/);
  });

  test('old clients get a shareable one', async () => {
    for (const [version, mode, asked] of [
      ['/v1.39', 'shareable', ''],
      ['/v1.39', 'private', 'private'],
      ['/v1.40', 'private', ''],
    ] as const) {
      const answer = await engine().api('POST', `${version}/containers/create`, {
        Image: busybox,
        HostConfig: { IpcMode: asked },
      });
      const { Id } = answer.json<{ Id: string }>();
      assert.equal(await docker.field(Id, '{{.HostConfig.IpcMode}}'), mode);
    }
  });

  test('shared memory is there after the engine was killed', { skip: isOracle() && 'ends with Docker' }, async () => {
    await start('donor', '--ipc=shareable');
    await exec('donor', 'echo kept > /dev/shm/file');
    await engine().stop('SIGKILL');
    await engine().start();
    await start('joiner', '--ipc=container:donor');
    assert.equal(await exec('joiner', 'cat /dev/shm/file'), 'kept');
    await docker.ok('rm', '-f', 'donor', 'joiner');
  });
});
