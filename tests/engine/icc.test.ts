/** `--icc=false`: containers of the default network are kept apart, what they publish is reached from the host. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

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
});
