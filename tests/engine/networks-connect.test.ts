/** Containers on user-defined networks: addresses, several networks, connect and disconnect. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

interface Endpoint {
  readonly IPAMConfig: object | null;
  readonly Aliases: readonly string[] | null;
  readonly MacAddress: string;
  readonly DriverOpts: object | null;
  readonly GwPriority: number;
  readonly NetworkID: string;
  readonly EndpointID: string;
  readonly Gateway: string;
  readonly IPAddress: string;
  readonly IPPrefixLen: number;
  readonly DNSNames: readonly string[] | null;
}

engineSuite('containers on networks', {}, (engine) => {
  const docker = dockerOf(engine);
  const sleeper = [busybox, 'sleep', '1000'];
  const networksOf = async (name: string) =>
    JSON.parse(await docker.field(name, '{{json .NetworkSettings.Networks}}')) as Record<string, Endpoint>;
  const namesOf = async (name: string) => Object.keys(await networksOf(name)).toSorted();
  const connect = (network: string, body: object) => engine().api('POST', `/networks/${network}/connect`, body);
  const disconnect = (network: string, body: object) => engine().api('POST', `/networks/${network}/disconnect`, body);
  const inside = (name: string, ...command: string[]) => docker.ok('exec', name, ...command);
  const routes = async (name: string) => (await inside(name, 'ip', 'route')).split('\n').map((line) => line.trim());
  const server = ['sh', '-c', 'echo served > /index.html; exec httpd -f -h /'];
  const fetched = async (host: string) =>
    (await engine().inside(['timeout', '3', 'busybox', 'wget', '-q', '-O', '-', `http://${host}/`])).stdout.trim();
  const says = (answer: { status: number; text: string }, status: number | readonly number[], message: RegExp) => {
    assert.ok([status].flat().includes(answer.status), `${answer.status} ${answer.text}`);
    assert.match(answer.text, message);
  };

  test('static addresses, MAC addresses and aliases are kept and shown', async () => {
    await docker.ok('network', 'create', '--subnet=10.60.0.0/24', 'net');
    const mac = '02:42:0a:00:00:09';
    const flags = [
      '--network=net',
      '--ip=10.60.0.10',
      `--mac-address=${mac}`,
      '--network-alias=web',
      '--hostname=host',
    ];
    await docker.ok('create', '--name=one', ...flags, ...sleeper);
    const before = (await networksOf('one'))['net'];
    assert.deepEqual(
      [before?.IPAMConfig, before?.Aliases, before?.IPAddress, before?.DNSNames],
      [{ IPv4Address: '10.60.0.10' }, ['web'], '', null],
    );
    await docker.ok('start', 'one');
    const id = await docker.field('one', '{{.Id}}');
    const running = (await networksOf('one'))['net'];
    assert.deepEqual(
      [running?.IPAddress, running?.IPPrefixLen, running?.Gateway, running?.MacAddress, running?.DNSNames],
      ['10.60.0.10', 24, '10.60.0.1', mac, ['one', 'web', id.slice(0, 12), 'host']],
    );
    assert.match(
      await inside('one', 'ip', 'address', 'show', 'eth0'),
      new RegExp(`${mac}[^]*inet 10\\.60\\.0\\.10/24`),
    );
    const second = await docker('run', '--rm', '--network=net', '--ip=10.60.0.10', busybox, 'true');
    assert.match(second.stderr, /failed to set up container networking: Address already in use/);
    const outside = await docker('create', '--network=net', '--ip=10.61.0.10', busybox);
    assert.match(outside.stderr, /no configured subnet or ip-range contain the IP address 10\.61\.0\.10/);
    await docker.ok('stop', '-t0', 'one');
    const stopped = (await networksOf('one'))['net'];
    assert.deepEqual(
      [stopped?.IPAddress, stopped?.EndpointID, stopped?.MacAddress, stopped?.NetworkID, stopped?.DNSNames?.[0]],
      ['', '', '', running?.NetworkID, 'one'],
    );
    await docker.ok('start', 'one');
    assert.equal((await networksOf('one'))['net']?.IPAddress, '10.60.0.10');
  });

  test('several networks from the start; the first is eth0 and the way out', async () => {
    for (const name of ['a', 'b', 'c']) await docker.ok('network', 'create', name);
    const endpoints = { b: { Aliases: ['x'] }, a: {}, c: { GwPriority: 5 } };
    const body = { Image: busybox, Cmd: ['sleep', '1000'], HostConfig: { NetworkMode: 'b' } };
    const made = await engine().api('POST', '/containers/create?name=many', {
      ...body,
      NetworkingConfig: { EndpointsConfig: endpoints },
    });
    assert.equal(made.status, 201);
    await docker.ok('start', 'many');
    const found = await networksOf('many');
    assert.deepEqual(Object.keys(found).toSorted(), ['a', 'b', 'c']);
    assert.ok((await routes('many')).some((line) => line.startsWith(`default via ${found['c']?.Gateway} dev eth`)));
    const interfaces = await inside('many', 'ls', '/sys/class/net');
    assert.deepEqual(interfaces.split(/\s+/).toSorted(), ['eth0', 'eth1', 'eth2', 'lo']);
    const all = await inside('many', 'ip', '-o', '-4', 'address');
    for (const { IPAddress } of Object.values(found)) assert.ok(all.includes(` ${IPAddress}/`));
    const hosts = await inside('many', 'cat', '/etc/hosts');
    for (const { IPAddress } of Object.values(found)) assert.ok(hosts.includes(`${IPAddress}\t`), hosts);
    const mixed = await docker('run', '--rm', '--network=none', '--network=a', busybox, 'true');
    assert.notEqual(mixed.code, 0);
  });

  test('a running container comes and goes: interfaces, routes, hosts, events', async () => {
    await docker.ok('network', 'create', 'first');
    await docker.ok('network', 'create', 'second');
    const id = await docker.ok('run', '-d', '--name=one', '--network=first', ...sleeper);
    const since = (Date.now() / 1000).toFixed(6);
    await docker.ok('network', 'connect', '--alias=other', 'second', 'one');
    const both = await networksOf('one');
    assert.deepEqual(Object.keys(both).toSorted(), ['first', 'second']);
    assert.deepEqual(both['second']?.DNSNames, ['one', 'other', id.slice(0, 12)]);
    assert.match(
      await inside('one', 'ip', '-4', 'address', 'show', 'eth1'),
      new RegExp(`inet ${both['second']?.IPAddress}/`),
    );
    assert.ok((await routes('one')).includes(`default via ${both['first']?.Gateway} dev eth0`));
    assert.match(await inside('one', 'cat', '/etc/hosts'), new RegExp(`^${both['second']?.IPAddress}\\t`, 'm'));
    says(await connect('second', { Container: 'one' }), 403, /endpoint with name one already exists in network second/);
    await docker.ok('network', 'disconnect', 'first', 'one');
    assert.deepEqual(await namesOf('one'), ['second']);
    assert.ok((await routes('one')).includes(`default via ${both['second']?.Gateway} dev eth1`));
    assert.doesNotMatch(await inside('one', 'ls', '/sys/class/net'), /eth0/);
    assert.doesNotMatch(await inside('one', 'cat', '/etc/hosts'), new RegExp(`^${both['first']?.IPAddress}\\t`, 'm'));
    says(await disconnect('first', { Container: 'one' }), [409, 500], /is not connected to network first/);
    const events = await docker.ok(
      'events',
      `--since=${since}`,
      `--until=${(Date.now() / 1000).toFixed(6)}`,
      '--filter=type=network',
    );
    assert.deepEqual(
      events.split('\n').map((line) => line.split(' ').slice(1, 3).join(' ')),
      ['network connect', 'network disconnect'],
    );
    await docker.ok('restart', '-t0', 'one');
    assert.deepEqual(await namesOf('one'), ['second']);
    assert.ok((await routes('one')).includes(`default via ${both['second']?.Gateway} dev eth0`));
  });

  test('a container without any network, and back', async () => {
    await docker.ok('network', 'create', 'net');
    await docker.ok('run', '-d', '--name=one', '--network=net', '-p', '8095:80', busybox, ...server);
    await eventually('it serves', async () => (await fetched('127.0.0.1:8095')) === 'served');
    await docker.ok('network', 'disconnect', 'net', 'one');
    assert.deepEqual(await namesOf('one'), []);
    assert.equal(await inside('one', 'ls', '/sys/class/net'), 'lo');
    assert.notEqual(await fetched('127.0.0.1:8095'), 'served');
    await docker.ok('restart', '-t0', 'one');
    assert.deepEqual(await namesOf('one'), []);
    await docker.ok('network', 'connect', 'net', 'one');
    assert.deepEqual(await namesOf('one'), ['net']);
    await eventually('it serves again', async () => (await fetched('127.0.0.1:8095')) === 'served');
  });

  test('published ports follow the way out', async () => {
    await docker.ok('network', 'create', 'net-a');
    await docker.ok('network', 'create', 'net-b');
    await docker.ok('run', '-d', '--name=one', '--network=net-a', '-p', '8096:80', busybox, ...server);
    await eventually('it serves', async () => (await fetched('127.0.0.1:8096')) === 'served');
    await docker.ok('network', 'connect', '--gw-priority=3', 'net-b', 'one');
    const gateway = (await networksOf('one'))['net-b']?.Gateway;
    assert.ok((await routes('one')).includes(`default via ${gateway} dev eth1`));
    assert.equal(await fetched('127.0.0.1:8096'), 'served');
    await docker.ok('network', 'disconnect', 'net-a', 'one');
    assert.equal(await fetched('127.0.0.1:8096'), 'served');
    if (isOracle()) return;
    await engine().stop('SIGKILL');
    await engine().start();
    assert.equal(await fetched('127.0.0.1:8096'), 'served');
  });

  test('one that does not run is connected at its next start', async () => {
    await docker.ok('network', 'create', 'net');
    await docker.ok('create', '--name=one', ...sleeper);
    await docker.ok('network', 'connect', '--alias=al', 'net', 'one');
    assert.deepEqual(await namesOf('one'), ['bridge', 'net']);
    await docker.ok('network', 'disconnect', 'bridge', 'one');
    assert.deepEqual(await namesOf('one'), ['net']);
    says(await disconnect('bridge', { Container: 'one' }), [409, 500], /is not connected to the network bridge/);
    await docker.ok('start', 'one');
    assert.deepEqual(await namesOf('one'), ['net']);
    assert.deepEqual((await networksOf('one'))['net']?.DNSNames?.slice(0, 2), ['one', 'al']);
    await docker.ok('rm', '-f', 'one');
    await docker.ok('create', '--name=two', '--network=later', ...sleeper);
    const early = await docker('start', 'two');
    assert.match(early.stderr, /network later not found/);
    await docker.ok('network', 'create', 'later');
    await docker.ok('start', 'two');
  });

  test('what cannot be connected', async () => {
    await docker.ok('network', 'create', 'net');
    await docker.ok('run', '-d', '--name=one', '--network=net', ...sleeper);
    await docker.ok('run', '-d', '--name=hosted', '--network=host', ...sleeper);
    await docker.ok('run', '-d', '--name=lonely', '--network=none', ...sleeper);
    const Container = 'one';
    const sharing = /container sharing network namespace with another container or host cannot be connected to any/;
    says(await connect('net', { Container: 'nobody' }), 404, /No such container: nobody/);
    says(await connect('net', {}), 400, /invalid name or ID supplied: \\"\\"/);
    says(await connect('nowhere', { Container }), 404, /network nowhere not found/);
    says(await connect('host', { Container }), 400, /cannot connect container to host network/);
    says(await connect('none', { Container }), 400, /one of the networks in private \(none\) mode/);
    says(await connect('net', { Container: 'lonely' }), 400, /one of the networks in private \(none\) mode/);
    says(await connect('net', { Container: 'hosted' }), 400, sharing);
    says(await disconnect('host', { Container: 'hosted' }), 400, /cannot disconnect container from host network/);
    says(await disconnect('net', { Container: 'nobody', Force: true }), 404, /endpoint nobody not found/);
    const endpoint = (EndpointConfig: object) => ({ Container, EndpointConfig });
    const alias =
      /network-scoped alias(es are only| is) supported (only )?for (user-defined networks|containers in user)/;
    says(await connect('bridge', endpoint({ Aliases: ['x'] })), 400, alias);
    const sysctl = { 'com.docker.network.endpoint.sysctls': 'net.ipv4.conf.eth0.forwarding=1' };
    says(await connect('bridge', endpoint({ DriverOpts: sysctl })), 400, /unrecognised network interface sysctl/);
    says(
      await connect('bridge', endpoint({ IPAMConfig: { LinkLocalIPs: ['x'] } })),
      400,
      /invalid link-local IP address: x/,
    );
    assert.deepEqual(await namesOf('one'), ['net'], 'nothing has changed');
  });

  test('names, sysctls and further addresses of an interface', async () => {
    await docker.ok('network', 'create', 'net');
    await docker.ok('run', '-d', '--name=one', '--network=bridge', ...sleeper);
    const DriverOpts = {
      'com.docker.network.endpoint.ifname': 'lan0',
      'com.docker.network.endpoint.sysctls': 'net.ipv4.conf.IFNAME.forwarding=1,net.ipv4.conf.IFNAME.log_martians=1',
    };
    const EndpointConfig = { DriverOpts, IPAMConfig: { LinkLocalIPs: ['169.254.7.7'] } };
    assert.equal((await connect('net', { Container: 'one', EndpointConfig })).status, 200);
    const shown = await inside('one', 'ip', '-o', '-4', 'address', 'show', 'lan0');
    assert.match(shown, /inet 169\.254\.7\.7\/16/);
    assert.equal(await inside('one', 'cat', '/proc/sys/net/ipv4/conf/lan0/forwarding'), '1');
    assert.equal(await inside('one', 'cat', '/proc/sys/net/ipv4/conf/lan0/log_martians'), '1');
    assert.deepEqual((await networksOf('one'))['net']?.DriverOpts, DriverOpts);
    await docker.ok('network', 'disconnect', 'net', 'one');
    // dockerd 28 keeps the endpoint that it could not make.
    if (isOracle()) return;
    await docker.ok('network', 'create', 'next');
    const taken = { DriverOpts: { 'com.docker.network.endpoint.ifname': 'eth0' } };
    assert.notEqual((await connect('next', { Container: 'one', EndpointConfig: taken })).status, 200);
    assert.deepEqual(await namesOf('one'), ['bridge'], 'a failed connection leaves nothing');
    assert.match(await inside('one', 'ip', 'route'), /^default via \S+ dev eth0/m);
  });

  test('a renamed container is known by its new name', async () => {
    await docker.ok('network', 'create', 'net');
    await docker.ok('run', '-d', '--name=old', '--network=net', ...sleeper);
    await docker.ok('rename', 'old', 'new');
    assert.equal((await networksOf('new'))['net']?.DNSNames?.[0], 'new');
    assert.match((await docker('network', 'rm', 'net')).stderr, /has active endpoints \(name:\\?"new\\?"/);
  });
});
