/** `HostConfig.Tmpfs` and mounts of type tmpfs: what the container sees of their options. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

/** Docker's runc is the only runtime of the oracle. */
const runtimes = isOracle() ? ['runc'] : ['crun', 'runc'];

engineSuite('the tmpfs mounts of a container', { runtimes }, (engine) => {
  const docker = dockerOf(engine);
  const shell = (script: string, ...flags: string[]) => docker.ok('run', '--rm', ...flags, busybox, 'sh', '-c', script);

  test('a tmpfs with size, mode and words; the older map with all of tmpfs’s options', async () => {
    const script = 'grep " /t " /proc/mounts; stat -c "%a %u" /t';
    const shown = await shell(script, '--mount=type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770');
    assert.match(shown, /^tmpfs \/t tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k,mode=1770[^\n]*\n1770 0$/);
    const older = await shell(script, '--tmpfs=/t:size=1m,exec,uid=1000,mode=700,nr_inodes=100');
    assert.match(
      older,
      /^tmpfs \/t tmpfs rw,nosuid,nodev,relatime,size=1024k,nr_inodes=100,mode=700,uid=1000[^\n]*\n700 1000$/,
    );
    const created = await engine().api('POST', '/containers/create', {
      Image: busybox,
      Cmd: ['sh', '-c', script],
      HostConfig: {
        Mounts: [{ Type: 'tmpfs', Target: '/t', ReadOnly: true, TmpfsOptions: { Options: [['exec']] } }],
      },
    });
    const { Id } = created.json<{ Id: string }>();
    assert.match(await docker.ok('start', '-a', Id), /^tmpfs \/t tmpfs ro,nosuid,nodev,relatime/);
    assert.deepEqual(JSON.parse(await docker.field(Id, '{{json .Mounts}}')), [
      { Type: 'tmpfs', Source: '', Destination: '/t', Mode: '', RW: false, Propagation: '' },
    ]);
  });

  test('the mode of a tmpfs: as asked, else that of the directory below, else open to all', async () => {
    const modeOf = (runtime: string, target: string, flag: string) =>
      shell(`stat -c %a ${target}`, `--runtime=${runtime}`, `--mount=type=tmpfs,target=${target}${flag}`);
    for (const runtime of runtimes) {
      assert.equal(await modeOf(runtime, '/fresh/t', ''), '1777', runtime);
      assert.equal(await modeOf(runtime, '/fresh/t', ',tmpfs-mode=700'), '700', runtime);
      assert.equal(await modeOf(runtime, '/etc', ''), '755', runtime);
      // Its runc forgets the mode here.
      if (!isOracle()) assert.equal(await modeOf(runtime, '/etc', ',tmpfs-mode=1750'), '1750', runtime);
      const name = await docker.ok('create', `--runtime=${runtime}`, '--tmpfs=/t', busybox, 'stat', '-c', '%a', '/t');
      assert.equal(await docker.ok('start', '-a', name), '1777', runtime);
      // Docker's runc takes the directory that it made itself for one of the image.
      if (!isOracle()) assert.equal(await docker.ok('start', '-a', name), '1777', `${runtime}, started again`);
      await docker.ok('rm', name);
    }
  });
});
