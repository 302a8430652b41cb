/** IPv6: addresses of networks and containers, published ports, isolation; networks without IPv4. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { addNeighbour } from '../support/neighbour.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

const server = ['sh', '-c', 'echo served > /index.html; exec httpd -f -h /'];
const wget = (host: string) => ['sh', '-c', `timeout 2 busybox wget -q -O - http://${host}/; exit $?`];

engineSuite('networks with IPv6', {}, (engine) => {
  const docker = dockerOf(engine);
  const endpointOf = async (name: string, network: string) =>
    JSON.parse(await docker.field(name, `{{json (index .NetworkSettings.Networks "${network}")}}`)) as {
      IPAddress: string;
      IPv6Gateway: string;
      GlobalIPv6Address: string;
      GlobalIPv6PrefixLen: number;
    };
  const subnetsOf = async (name: string) =>
    JSON.parse(await docker.ok('network', 'inspect', '--format={{json .IPAM.Config}}', name)) as {
      Subnet: string;
      Gateway?: string;
    }[];
  const served = async (answer: Promise<{ stdout: string }>) => (await answer).stdout === 'served\n';
  const fromHost = (host: string) => served(engine().inside(wget(host)));

  test('a network has local addresses of its own, its containers too', async () => {
    await docker.ok('network', 'create', '--ipv6', 'six');
    await docker.ok('network', 'create', '--ipv6', 'other');
    const [ipv4, ipv6] = await subnetsOf('six');
    assert.match(ipv4?.Subnet ?? '', /^1[79]2\./);
    assert.match(ipv6?.Subnet ?? '', /^fd[0-9a-f]{2}:[0-9a-f:]+::\/64$/);
    assert.equal(ipv6?.Gateway, ipv6?.Subnet.replace('/64', '1'));
    assert.notEqual((await subnetsOf('other'))[1]?.Subnet, ipv6?.Subnet);
    await docker.ok('run', '-d', '--name=web', '--network=six', busybox, ...server);
    const { GlobalIPv6Address: address, ...endpoint } = await endpointOf('web', 'six');
    assert.deepEqual([endpoint.GlobalIPv6PrefixLen, endpoint.IPv6Gateway], [64, ipv6?.Gateway]);
    const inside = await docker.ok(
      'exec',
      'web',
      'sh',
      '-c',
      'ip -6 -o address show eth0; ip -6 route; cat /etc/hosts',
    );
    assert.ok(inside.includes(`inet6 ${address}/64`));
    assert.ok(inside.includes(`default via ${ipv6?.Gateway} dev eth0`));
    assert.ok(inside.includes(`${address}\t`));
    await eventually('it serves', () =>
      served(docker('run', '--rm', '--network=six', busybox, ...wget(`[${address}]`))),
    );
    assert.equal(await served(docker('run', '--rm', '--network=other', busybox, ...wget(`[${address}]`))), false);
    const status = await docker.ok(
      'network',
      'inspect',
      '--format={{range .Containers}}{{.IPv6Address}}{{end}}',
      'six',
    );
    assert.equal(status, `${address}/64`);
  });

  test('published ports are translated; the outside sees nothing else', async () => {
    await using neighbour = await addNeighbour(engine(), { routes: true });
    const [own, far] = ['2001:db8:77::1', '2001:db8:77::9'];
    await engine().inside(['ip', 'address', 'add', `${own}/64`, 'dev', 'wire0', 'nodad']);
    await neighbour.run('ip', 'address', 'add', `${far}/64`, 'dev', 'eth0', 'nodad');
    await docker.ok('network', 'create', '--ipv6', '--subnet=2001:db8:88::/64', 'six');
    await docker.ok(
      'run',
      '-d',
      '--name=web',
      '--network=six',
      '-p',
      '8100:80',
      '-p',
      `[${own}]:8101:80`,
      busybox,
      ...server,
    );
    const { GlobalIPv6Address: address } = await endpointOf('web', 'six');
    await neighbour.run('ip', '-6', 'route', 'add', '2001:db8:88::/64', 'via', own);
    await eventually('it serves', () => fromHost('127.0.0.1:8100'));
    const fromOutside = (host: string) => served(neighbour.run(...wget(host)));
    await eventually('neighbours find each other', () => fromOutside(`[${own}]:8100`));
    assert.ok(await fromOutside(`[${own}]:8101`));
    assert.ok(await fromOutside(`${neighbour.hostAddress}:8100`));
    assert.ok(await fromHost('[::1]:8100'));
    assert.ok(await fromHost(`[${own}]:8101`));
    assert.equal(await fromHost('[::1]:8101'), false);
    assert.equal(await fromOutside(`[${address}]`), false);
    if (!isOracle()) {
      await engine().stop('SIGKILL');
      assert.ok(await fromOutside(`[${own}]:8100`));
      await engine().start();
      assert.ok(await fromOutside(`[${own}]:8100`));
    }
    await docker.ok('rm', '-f', 'web');
    assert.equal(await fromOutside(`[${own}]:8100`), false);
  });

  test('the host looks for containers of a new network at once', {
    skip: isOracle() && 'a bridge of its own',
  }, async () => {
    await docker.ok('network', 'create', '--ipv6', '-o', 'com.docker.network.bridge.name=six0', 'six');
    await docker.ok('run', '-d', '--network=six', busybox, 'sleep', '1000');
    // The kernel asks no neighbours for the sake of forwarded packets before the bridge is sure of its link-local address.
    const { stdout } = await engine().inside(['ip', '-6', '-o', 'address', 'show', 'dev', 'six0', 'scope', 'link']);
    assert.match(stdout, /inet6 fe80::/);
    assert.doesNotMatch(stdout, /tentative/);
  });

  test('without IPv4', async () => {
    await docker.ok('network', 'create', '--ipv4=false', '--ipv6', 'only');
    assert.equal((await subnetsOf('only')).length, 1);
    await docker.ok('run', '-d', '--name=web', '--network=only', '-p', '8102:80', busybox, ...server);
    const { IPAddress, GlobalIPv6Address } = await endpointOf('web', 'only');
    assert.equal(IPAddress, '');
    await eventually('it serves', () => fromHost('[::1]:8102'));
    assert.ok(await fromHost(`[${GlobalIPv6Address}]`));
    assert.equal(await fromHost('127.0.0.1:8102'), false);
    const ports = await docker.field('web', '{{json .NetworkSettings.Ports}}');
    assert.equal(ports, '{"80/tcp":[{"HostIp":"::","HostPort":"8102"}]}');
    assert.doesNotMatch(await docker.ok('exec', 'web', 'ip', '-o', '-4', 'address'), /eth0/);
  });

  test('who gets an address that another one had is reached at once', async () => {
    await docker.ok('network', 'create', '--ipv6', 'both');
    await docker.ok('run', '-d', '--name=peer', '--network=both', busybox, 'sleep', '1000');
    const rounds = 8;
    const seen = new Set<string>();
    for (let round = 0; round < rounds; round++) {
      const hardware = round % 2 === 0 ? [] : [`--mac-address=02:00:00:00:00:0${round}`];
      await docker.ok('run', '-d', '--name=next', '--network=both', ...hardware, busybox, 'sleep', '1000');
      const { IPAddress, GlobalIPv6Address } = await endpointOf('next', 'both');
      for (const address of [IPAddress, GlobalIPv6Address]) {
        const ping = ['busybox', 'ping', '-c', '1', '-W', '1', address];
        assert.equal((await engine().inside(ping)).code, 0, `${address} from the host, round ${round}`);
        assert.equal((await docker('exec', 'peer', ...ping)).code, 0, `${address} from a neighbour, round ${round}`);
        seen.add(address);
      }
      await docker.ok('rm', '-f', 'next');
    }
    if (!isOracle()) assert.ok(seen.size < 2 * rounds, 'some had the same address');
  });

  test('addresses that are asked for, also of the link itself', async () => {
    await docker.ok('network', 'create', '--ipv6', '--subnet=fd00:77::/64', '--gateway=fd00:77::7', 'six');
    const flags = ['--network=six', '--ip6=fd00:77::42'];
    await docker.ok('run', '-d', '--name=one', ...flags, busybox, 'sleep', '1000');
    assert.equal((await endpointOf('one', 'six')).GlobalIPv6Address, 'fd00:77::42');
    assert.match(await docker.ok('exec', 'one', 'ip', '-6', 'route'), /default via fd00:77::7 /);
    assert.match((await docker('run', '--rm', ...flags, busybox, 'true')).stderr, /Address already in use/);
    // dockerd 28 cannot give an interface without IPv6 such an address.
    if (isOracle()) return;
    await docker.ok('network', 'create', 'plain');
    await docker.ok('network', 'connect', '--link-local-ip=fe80::77', '--link-local-ip=169.254.8.8', 'plain', 'one');
    const shown = await docker.ok('exec', 'one', 'ip', '-o', 'address', 'show', 'eth1');
    assert.match(shown, /inet 169\.254\.8\.8\/16/);
    assert.match(shown, /inet6 fe80::77\/64/);
  });

  test('an internal network has no way out by IPv6, either', async () => {
    await docker.ok('network', 'create', '--ipv6', '--internal', 'closed');
    await docker.ok('network', 'create', '--ipv6', 'open');
    await docker.ok('run', '-d', '--name=web', '--network=open', '-p', '8103:80', busybox, ...server);
    await docker.ok('run', '-d', '--name=inner', '--network=closed', '--cap-add=NET_ADMIN', busybox, 'sleep', '1000');
    assert.doesNotMatch(await docker.ok('exec', 'inner', 'ip', '-6', 'route'), /default/);
    const gateway = (await subnetsOf('closed'))[1]?.Gateway ?? '';
    await docker.ok('exec', 'inner', 'ip', '-6', 'route', 'add', 'default', 'via', gateway);
    const { GlobalIPv6Address: web } = await endpointOf('web', 'open');
    await eventually('it serves', () => fromHost(`[${web}]`));
    for (const target of [`[${web}]`, `[${gateway}]:8103`]) {
      assert.equal(await served(docker('exec', 'inner', ...wget(target))), false, target);
    }
  });
});

engineSuite('IPv6 on the default network', { flags: ['--ipv6', '--fixed-cidr-v6=fd00:99::/64'] }, (engine) => {
  const docker = dockerOf(engine);

  test('containers have both', async () => {
    await docker.ok('run', '-d', '--name=web', '-p', '8104:80', busybox, ...server);
    const shown = await docker.ok('exec', 'web', 'ip', '-o', 'address', 'show', 'eth0');
    assert.match(shown, /inet6 fd00:99::\S+\/64/);
    const network = await docker.ok('network', 'inspect', '--format={{.EnableIPv6}} {{json .IPAM.Config}}', 'bridge');
    assert.match(network, /^true .*fd00:99::\/64/);
    await eventually('it serves', async () => (await engine().inside(wget('[::1]:8104'))).stdout === 'served\n');
  });
});
