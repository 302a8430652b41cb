/** `--icc=false`: containers of the default network are kept apart, what they publish is reached from the host. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';
import { ask, type Place, servePorts } from './_reach.ts';

engineSuite('containers that may not reach each other', { flags: ['--icc=false'] }, (engine) => {
  const docker = dockerOf(engine);
  const server = ['sh', '-c', 'echo page > /index.html; exec httpd -f -h /'];
  /** The output of another container that asks for the page. */
  const fetched = async (address: string) => {
    const script = `timeout 2 busybox wget -q -O - http://${address}/; exit $?`;
    return (await docker('run', '--rm', busybox, 'sh', '-c', script)).stdout;
  };

  test('by their addresses; the host reaches them, and what they publish', async () => {
    await docker.ok('run', '-d', '--name=web', '-p', '8088:80', busybox, ...server);
    const address = await docker.ok('inspect', '-f', '{{.NetworkSettings.Networks.bridge.IPAddress}}', 'web');
    for (const place of [`${address}:80`, '127.0.0.1:8088'])
      await eventually(`${place} answers`, async () => (await engine().fetch(`http://${place}/`)) === 'page');
    assert.equal(await fetched(address), '');
    assert.equal(
      await docker.ok(
        'network',
        'inspect',
        '-f',
        '{{index .Options "com.docker.network.bridge.enable_icc"}}',
        'bridge',
      ),
      'false',
    );
  });

  test('a link opens what the other one exposes, in one direction, until one of them is gone', async () => {
    const started = (name: string, ...options: string[]) =>
      docker.ok('run', '-d', `--name=${name}`, ...options, busybox, 'sleep', '1000');
    await started('db', '--expose=80', '--expose=53/udp');
    await started('web', '--link=db');
    await started('other');
    const pids = await Promise.all(['db', 'web', 'other'].map((name) => docker.field(name, '{{.State.Pid}}')));
    const [db = 0, web = 0, other = 0] = pids.map(Number);
    const from =
      (pid: number): Place =>
      (command) =>
        run('nsenter', [`--target=${pid}`, '--net', '--', ...command]);
    await using _d = await servePorts(db, 80, 53, 81);
    await using _w = await servePorts(web, 80, 81);
    const addressOf = (name: string) => docker.field(name, '{{.NetworkSettings.Networks.bridge.IPAddress}}');
    const [dbAddress, webAddress] = [await addressOf('db'), await addressOf('web')];
    const targets = [
      { host: dbAddress, port: 80 },
      { host: dbAddress, port: 53, udp: true },
      { host: dbAddress, port: 81 },
    ];
    const opened = [webAddress, webAddress, ''];
    const check = async (when: string) => {
      assert.deepEqual(await ask(from(web), targets), opened, when);
      assert.deepEqual(await ask(from(other), targets), ['', '', ''], `${when}: others`);
      assert.deepEqual(await ask(from(db), [{ host: webAddress, port: 80 }]), [''], `${when}: the other way`);
    };
    await check('linked');
    if (!isOracle()) {
      await engine().stop('SIGKILL');
      await engine().start();
      await check('after the engine was killed');
    }
    // Docker lets whoever gets the address next have the link, too.
    if (isOracle()) return;
    await docker.ok('rm', '-f', 'db');
    await started('stranger', '--expose=80');
    const stranger = await addressOf('stranger');
    await using _s = await servePorts(Number(await docker.field('stranger', '{{.State.Pid}}')), 80);
    assert.deepEqual(await ask(from(web), [{ host: stranger, port: 80 }]), [''], 'another one with its address');
    assert.ok(!(await engine().inside(['nft', 'list', 'ruleset'])).stdout.includes('linked'), 'nothing of it stays');
  });
});
