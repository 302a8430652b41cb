/** What other parts of the engine make of containers whose root is nobody on the host. */
import assert from 'node:assert/strict';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

engineSuite('user namespaces and the rest', {}, (engine) => {
  const docker = dockerOf(engine);
  const start = async (name: string, more: object = {}, host: object = {}) => {
    await chmod(engine().folder, 0o711);
    const body = { Image: busybox, Cmd: ['sleep', '1000'], ...more, HostConfig: { UsernsMode: 'auto', ...host } };
    const { status, text } = await engine().api('POST', `/containers/create?name=${name}`, body);
    assert.equal(status, 201, text);
    await docker.ok('start', name);
  };

  test('diff and system df count what it wrote', async () => {
    await start('one');
    await docker.ok(
      'exec',
      'one',
      'sh',
      '-c',
      'head -c 1000000 /dev/zero > /new; rm /etc/group; echo x >> /etc/passwd',
    );
    assert.deepEqual((await docker.ok('diff', 'one')).split('\n').sort(), [
      'A /new',
      'C /etc',
      'C /etc/passwd',
      'D /etc/group',
    ]);
    const { Containers } = (await engine().api('GET', '/system/df')).json<{
      Containers: { Names: string[]; SizeRw: number }[];
    }>();
    const size = Containers.find(({ Names }) => Names.includes('/one'))?.SizeRw ?? 0;
    assert.ok(size >= 1_000_000 && size < 1_100_000, String(size));
  });

  test('health checks run in it', async () => {
    const Test = ['CMD-SHELL', '[ $(id -u) = 0 ] && ! grep -q "0 *0 *4294967295" /proc/self/uid_map && touch /checked'];
    await start('one', { Healthcheck: { Test, Interval: 100_000_000, Retries: 1 } });
    await docker.becomes('one', '{{.State.Health.Status}}', 'healthy');
    assert.equal(await docker.ok('exec', 'one', 'stat', '-c', '%u', '/checked'), '0');
  });

  test('a storage limit holds, and what is written belongs to its root', async () => {
    await start('one', {}, { StorageOpt: { size: '20m' } });
    const script = 'touch /mine; stat -c %u / /mine; head -c 40m /dev/zero > /big 2>/dev/null; echo $?';
    assert.equal(await docker.ok('exec', 'one', 'sh', '-c', script), '0\n0\n1');
  });

  test('what is made for a mount that is added while it runs belongs to its root', async () => {
    const source = join(engine().folder, 'source');
    await mkdir(source);
    await start('one');
    const { status, text } = await engine().api('POST', '/containers/one/update', {
      MountAdd: [{ Type: 'bind', Source: source, Target: '/made/for/it' }],
    });
    assert.equal(status, 200, text);
    assert.equal(await docker.ok('exec', 'one', 'stat', '-c', '%u:%g', '/made', '/made/for'), '0:0\n0:0');
    await docker.ok('rm', '-f', 'one');
    await rm(source, { recursive: true });
  });
});
