/** Who reaches whom, by the options of a bridge network: a neighbour that routes through the host tries it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { addNeighbour } from '../support/neighbour.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

const bridge = 'com.docker.network.bridge.';
/** Serves at the ports 80 and 81. */
const server = ['sh', '-c', 'echo served > /index.html; httpd -p 81 -h /; exec httpd -f -h /'];
const wget = (host: string) => ['sh', '-c', `timeout 2 busybox wget -q -O - http://${host}/; exit $?`];

engineSuite('who reaches whom', {}, (engine) => {
  const docker = dockerOf(engine);
  const addressOf = (name: string, network: string) =>
    docker.field(name, `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`);
  const served = async (answer: Promise<{ stdout: string }>) => (await answer).stdout === 'served\n';
  const fromHost = (host: string) => served(engine().inside(wget(host)));

  /** Makes a network with these options and a container on it that publishes its port 80 at 8120. */
  async function serve(...options: readonly string[]): Promise<string> {
    await docker.ok('network', 'create', ...options, 'net');
    await docker.ok('run', '-d', '--name=web', '--network=net', '-p', '8120:80', busybox, ...server);
    const address = await addressOf('web', 'net');
    await eventually('it serves', () => served(docker('exec', 'web', ...wget('127.0.0.1'))));
    return address;
  }

  test('nat: published ports of the host and nothing else', async () => {
    await using neighbour = await addNeighbour(engine(), { routes: true });
    const address = await serve();
    const fromOutside = (host: string) => served(neighbour.run(...wget(host)));
    assert.ok(await fromOutside(`${neighbour.hostAddress}:8120`));
    assert.equal(await fromOutside(address), false);
    assert.equal(await fromOutside(`${address}:81`), false);
  });

  test('routed: published ports by the container’s own address, and no ports of the host', async () => {
    await using neighbour = await addNeighbour(engine(), { routes: true });
    const address = await serve('-o', `${bridge}gateway_mode_ipv4=routed`);
    const fromOutside = (host: string) => served(neighbour.run(...wget(host)));
    assert.ok(await fromOutside(address));
    assert.equal(await fromOutside(`${address}:81`), false);
    assert.equal((await neighbour.run('busybox', 'ping', '-c', '1', '-W', '2', address)).code, 0);
    assert.equal(await fromOutside(`${neighbour.hostAddress}:8120`), false);
    const ports = JSON.parse(await docker.field('web', '{{json .NetworkSettings.Ports}}')) as Record<string, object[]>;
    assert.deepEqual(ports['80/tcp']?.[0], { HostIp: '0.0.0.0', HostPort: '' });
    if (isOracle()) return;
    await engine().stop('SIGKILL');
    await engine().start();
    assert.ok(await fromOutside(address));
    await docker.ok('rm', '-f', 'web');
    const rules = (await engine().inside(['nft', 'list', 'ruleset'])).stdout;
    assert.ok(!rules.includes(`${address} . 80`), 'nothing of it stays open');
  });

  test('nat-unprotected: everything reaches a container that is routed to it', async () => {
    await using neighbour = await addNeighbour(engine(), { routes: true });
    const address = await serve('-o', `${bridge}gateway_mode_ipv4=nat-unprotected`);
    for (const host of [address, `${address}:81`, `${neighbour.hostAddress}:8120`]) {
      assert.ok(await served(neighbour.run(...wget(host))), host);
    }
  });

  test('a trusted interface reaches published ports by the container’s own address, too', async () => {
    await using neighbour = await addNeighbour(engine(), { routes: true });
    const address = await serve('-o', `${bridge}trusted_host_interfaces=eth9:wire0`);
    assert.ok(await served(neighbour.run(...wget(address))));
    assert.equal(await served(neighbour.run(...wget(`${address}:81`))), false);
  });

  test('isolated, and without an address of the bridge', async () => {
    await docker.ok('network', 'create', '--internal', '-o', `${bridge}gateway_mode_ipv4=isolated`, 'isolated');
    const config = await docker.ok('network', 'inspect', '--format={{json .IPAM.Config}}', 'isolated');
    const [{ Subnet: subnet, Gateway: gateway }] = JSON.parse(config) as [{ Subnet: string; Gateway?: string }];
    assert.equal(gateway, undefined);
    const start = subnet.replace(/\.0\.0\/.*|\.0\/.*/, '.');
    assert.ok(!(await engine().inside(['ip', '-o', '-4', 'address'])).stdout.includes(` ${start}`));
    await docker.ok('network', 'create', '-o', `${bridge}inhibit_ipv4=true`, '--subnet=10.81.0.0/24', 'inhibited');
    assert.ok(!(await engine().inside(['ip', '-o', '-4', 'address'])).stdout.includes(' 10.81.0.'));
    const routes = await docker.ok('run', '--rm', '--network=inhibited', busybox, 'ip', 'route');
    assert.match(routes, /default via 10\.81\.0\.1 dev eth0/);
  });

  test('an address of the host for published ports, and packets with the container’s own', async () => {
    await using neighbour = await addNeighbour(engine(), { routes: true });
    await serve('-o', `${bridge}host_binding_ipv4=127.0.0.1`);
    assert.ok(await fromHost('127.0.0.1:8120'));
    assert.equal(await served(neighbour.run(...wget(`${neighbour.hostAddress}:8120`))), false);
    assert.equal(await docker.ok('port', 'web', '80'), '127.0.0.1:8120');
    // Packets of such containers do not get through dockerd's own rules here.
    if (isOracle()) return;
    await docker.ok('network', 'create', '-o', `${bridge}enable_ip_masquerade=false`, '--subnet=10.82.0.0/24', 'own');
    await docker.ok('network', 'create', '-o', `com.docker.network.host_ipv4=${neighbour.hostAddress}`, 'host-address');
    // The neighbour says whose connection it took.
    const script = `require('node:net').createServer((socket) => {
        console.log(socket.remoteAddress);
        process.exit();
      }).listen(8121);`;
    const asked = async (network: string) => {
      const listener = neighbour.run('timeout', '10', process.execPath, '-e', script);
      const listening = async () => (await neighbour.run('cat', '/proc/net/tcp6')).stdout.includes(':1FB9 ');
      await eventually('it listens', listening);
      const say = `echo x | timeout 2 nc ${neighbour.address} 8121; true`;
      await docker('run', '--rm', `--network=${network}`, busybox, 'sh', '-c', say);
      return (await listener).stdout;
    };
    assert.match(await asked('own'), /10\.82\.0\.\d+/);
    assert.match(await asked('host-address'), new RegExp(neighbour.hostAddress.replaceAll('.', '\\.')));
  });
});
