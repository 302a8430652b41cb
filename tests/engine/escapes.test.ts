import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';

const image = 'gantry-test/busybox:1';
const runtimes = { crun: '/usr/bin/crun', runc: '/usr/sbin/runc' } as const;

/** Ways out of a container that engines have had; each is tried, and where possible seen to work on a weaker container. */
engineSuite('escapes', { images: ['busybox', 'debian'], runtimes: ['crun', 'runc'] }, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);
  const sha256 = async (path: string) =>
    createHash('sha256')
      .update(await readFile(path))
      .digest('hex');

  for (const [runtime, path] of Object.entries(runtimes)) {
    test(`a working directory in a descriptor of ${runtime} (CVE-2024-21626)`, async () => {
      const id = await docker('run', '-d', `--runtime=${runtime}`, image, 'sleep', '1000');
      const look = ['sh', '-c', 'cat ../../../../etc/hostname ../../../etc/machine-id 2>/dev/null; pwd -P'];
      const host = await readFile('/etc/hostname', 'utf8');
      for (let fd = 3; fd < 20; fd++) {
        for (const cwd of [`/proc/self/fd/${fd}`, `/proc/thread-self/fd/${fd}`, `/proc/1/fd/${fd}`]) {
          const ran = await engine().docker(['run', '--rm', `--runtime=${runtime}`, '-w', cwd, image, ...look]);
          assert.notEqual(ran.code, 0, cwd);
          const exec = await engine().docker(['exec', '-w', cwd, id, ...look]);
          for (const { stdout } of [ran, exec]) assert.ok(!stdout.includes(host), cwd);
          assert.notEqual(exec.code, 0, cwd);
        }
      }
    });

    test(`the program of ${runtime} cannot be written from within (CVE-2019-5736)`, async () => {
      const before = await sha256(path);
      const attack = [
        'for p in /proc/[0-9]*/exe; do (echo x > $p) 2>/dev/null; done',
        'while sleep 0; do for p in /proc/[0-9]*; do case $(readlink $p/exe) in *run[c]*|*crun*) (echo x > $p/exe) 2>/dev/null && echo WRITTEN;; esac; done; done',
      ].join('\n');
      const id = await docker('run', '-d', `--runtime=${runtime}`, image, 'sh', '-c', attack);
      for (let round = 0; round < 5; round++) await engine().docker(['exec', id, '/proc/self/exe', 'true']);
      const self = await engine().docker(['run', '--rm', `--runtime=${runtime}`, '--entrypoint=/proc/self/exe', image]);
      assert.ok(!`${self.stdout}${self.stderr}`.includes('WRITTEN'));
      assert.equal(await docker('logs', id), '');
      assert.equal(await sha256(path), before);
    });

    test(`${runtime} hands no descriptor on`, async () => {
      const list = ['sh', '-c', 'ls -l /proc/$$/fd; true'];
      const id = await docker('run', '-d', `--runtime=${runtime}`, image, 'sleep', '1000');
      const shown = [
        await docker('run', '--rm', `--runtime=${runtime}`, image, ...list),
        await docker('exec', id, ...list),
        await docker('exec', id, 'ls', '-l', '/proc/1/fd'),
      ];
      for (const text of shown) {
        const open = [...text.matchAll(/ (\d+) -> (.*)$/gm)];
        assert.deepEqual(
          open.map(([, fd]) => fd),
          ['0', '1', '2'],
          text,
        );
        for (const [, , where] of open) assert.match(where ?? '', /^(pipe:|\/dev\/null)/);
      }
    });
  }

  test('a cgroup cannot be mounted to be told which program the host shall run; privileged it can', async () => {
    const script =
      'mkdir /tmp/c && mount -t cgroup -o pids none /tmp/c 2>/dev/null && [ -e /tmp/c/release_agent ] && echo mounted';
    assert.equal((await engine().docker(['run', '--rm', image, 'sh', '-c', script])).stdout, '');
    const weak = await engine().docker(['run', '--rm', '--privileged', image, 'sh', '-c', script]);
    assert.equal(weak.stdout, 'mounted\n');
  });

  test('nothing of one container is seen in another one', async () => {
    const first = await docker('run', '-d', '-e', 'CANARY=of-the-first', image, 'sleep', '1000');
    const look = 'env; cat /proc/*/environ /proc/keys /proc/net/unix 2>/dev/null; ls -R /dev/shm /dev/mqueue';
    for (const flags of [[], ['--cap-add=ALL']]) {
      assert.ok(!(await docker('run', '--rm', ...flags, image, 'sh', '-c', look)).includes('of-the-first'));
    }
    const joined = await docker('run', '--rm', `--pid=container:${first}`, image, 'sh', '-c', look);
    assert.ok(joined.includes('of-the-first'), 'in its pid namespace it is seen');
  });

  test('a cpuset beyond all processors, and a device rule beyond all numbers, are refused at once', async () => {
    for (const flag of [
      '--cpuset-cpus=0-2147483648',
      '--cpuset-mems=0-99999999999',
      '--device-cgroup-rule=c 99999999999:1 rwm',
    ]) {
      const began = performance.now();
      const { code } = await engine().docker(['create', flag, image, 'true']);
      assert.notEqual(code, 0, flag);
      assert.ok(performance.now() - began < 5000, flag);
    }
  });
});
