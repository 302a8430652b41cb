/** Requests about networks and ports that cannot be: a status, a message that names what is wrong, and nothing changed. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { ended } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

/** Description, method, path, body, Gantry's status (Docker's where it is another one), message. */
type Case = readonly [string, string, string, unknown, number | readonly [own: number, dockers: number], RegExp];

/** A container that is created, and started when that succeeds: the first refusal counts. */
const container = (host: object, endpoints: object = {}, config: object = {}) => ({
  Image: busybox,
  Cmd: ['sleep', '1000'],
  ...config,
  HostConfig: host,
  NetworkingConfig: { EndpointsConfig: endpoints },
});
const published = (port: string, HostPort: string, HostIp = '') =>
  container({ PortBindings: { [port]: [{ HostIp, HostPort }] } }, {}, { ExposedPorts: { [port]: {} } });
const on = (network: string, settings: object) => container({ NetworkMode: network }, { [network]: settings });
const at = (IPv4Address: string, IPv6Address = '') => ({ IPAMConfig: { IPv4Address, IPv6Address } });
const run = 'run';

const cases: readonly Case[] = [
  ['a port above 65535', run, '', published('80/tcp', '65536'), 400, /invalid port|65536/],
  ['a negative port', run, '', published('80/tcp', '-1'), 400, /invalid port|-1/],
  ['a port that is no number', run, '', published('80/tcp', 'http'), 400, /invalid port|http/],
  ['a container port above 65535', run, '', published('65536/tcp', '1'), 400, /65536/],
  ['a protocol that is none', run, '', published('80/smoke', '1'), [400, 500], /smoke|unknown protocol/],
  ['an address that is none', run, '', published('80/tcp', '8200', 'here'), [400, 201], /here/],
  ['a range that ends before it begins', run, '', published('80/tcp', '8210-8200'), 400, /8210-8200/],
  [
    'an address that the host does not have',
    run,
    '',
    published('80/tcp', '8201', '203.0.113.9'),
    [409, 500],
    /203\.0\.113\.9/,
  ],
  [
    'a port that a container has',
    run,
    '',
    published('80/tcp', '8202'),
    [409, 500],
    /8202 failed: port is already allocated/,
  ],
  [
    'a TCP port that a process of the host has',
    run,
    '',
    published('80/tcp', '8203'),
    [409, 500],
    /8203.*address already in use/,
  ],
  [
    'a UDP port that a process of the host has',
    run,
    '',
    published('80/udp', '8204'),
    [409, 500],
    /8204.*address already in use/,
  ],
  ['a whole range that is taken', run, '', published('80/tcp', '8202-8203'), [409, 500], /8202|8203|allocated|in use/],
  ['an address that a container has', run, '', on('net', at('10.83.0.10')), [403, 403], /Address already in use/],
  ['the address of the gateway', run, '', on('net', at('10.83.0.1')), [403, 403], /Address already in use/],
  ['an auxiliary address', run, '', on('net', at('10.83.0.5')), [403, 403], /Address already in use/],
  [
    'an address outside the subnet',
    run,
    '',
    on('net', at('10.84.0.1')),
    400,
    /no configured subnet.*contain.* 10\.84\.0\.1/,
  ],
  [
    'an IPv6 address on a network without',
    run,
    '',
    on('net', at('', 'fd00::5')),
    400,
    /(no configured subnet.* fd00::5|only when connecting to networks with user configured subnets)/,
  ],
  ['an address that is none at all', run, '', on('net', at('10.83.0')), 400, /invalid IPv4 address: 10\.83\.0/],
  [
    'an address of the default network',
    run,
    '',
    on('bridge', at('172.17.0.9')),
    400,
    /user.(specified|configured).*on user.defined networks only/,
  ],
  ['an alias on the default network', run, '', on('bridge', { Aliases: ['a'] }), 400, /network-scoped alias/],
  ['a group address as MAC', run, '', on('net', { MacAddress: '01:00:5e:00:00:01' }), [400, 201], /01:00:5e|mac/i],
  ['a MAC address that is none', run, '', on('net', { MacAddress: 'zz' }), 400, /invalid MAC address|zz/i],
  ['a network that is not there', run, '', container({ NetworkMode: 'nowhere' }), 404, /network nowhere not found/],
  [
    'the network of a container that is not there',
    run,
    '',
    container({ NetworkMode: 'container:nobody' }),
    [404, 500],
    /[Nn]o such container: nobody/,
  ],
  [
    'ports without a network of its own',
    run,
    '',
    container({ NetworkMode: 'container:one', PortBindings: { '80/tcp': [{ HostPort: '8205' }] } }),
    400,
    /conflicting options: port publishing/,
  ],
  [
    'a link in the network of another one',
    run,
    '',
    container({ NetworkMode: 'container:one', Links: ['one:x'] }),
    400,
    /conflicting options: container type network can't be used with links/,
  ],
  ['a name for two networks', 'POST', '/networks/create', { Name: 'net' }, 409, /network with name net already exists/],
  ['a body that is none', 'POST', '/networks/create', '{"Name":', 400, /JSON|EOF/],
  ['a name that is a number', 'POST', '/networks/create', { Name: 5 }, 400, /Name/],
  ['options that are a list', 'POST', '/networks/create', { Name: 'x', Options: ['a'] }, 400, /Options/],
  [
    'a configuration of addresses that is text',
    'POST',
    '/networks/create',
    { Name: 'x', IPAM: { Config: 'all' } },
    400,
    /Config/,
  ],
  [
    'IPv6 outside of its range',
    'POST',
    '/networks/create',
    { Name: 'x', EnableIPv6: true, IPAM: { Config: [{ Subnet: 'fd00:85::/129' }] } },
    400,
    /fd00:85::\/129/,
  ],
  [
    'a subnet of one that is there',
    'POST',
    '/networks/create',
    { Name: 'x', IPAM: { Config: [{ Subnet: '10.83.0.128/25' }] } },
    403,
    /Pool overlaps with other one/,
  ],
  [
    'a subnet around one that is there',
    'POST',
    '/networks/create',
    { Name: 'x', IPAM: { Config: [{ Subnet: '10.80.0.0/12' }] } },
    403,
    /Pool overlaps with other one/,
  ],
  [
    'a driver that is not there',
    'POST',
    '/networks/create',
    { Name: 'x', Driver: 'weave' },
    404,
    /plugin .*weave.* not found/,
  ],
  ['removal of what is used', 'DELETE', '/networks/net', undefined, 403, /network net has active endpoints/],
  ['removal of what is not there', 'DELETE', '/networks/nowhere', undefined, 404, /network nowhere not found/],
  [
    'removal of what every engine has',
    'DELETE',
    '/networks/bridge',
    undefined,
    403,
    /bridge is a pre-defined network and cannot be removed/,
  ],
  [
    'a second endpoint',
    'POST',
    '/networks/net/connect',
    { Container: 'one' },
    403,
    /endpoint with name one already exists in network net/,
  ],
  [
    'a taken address for a running container',
    'POST',
    '/networks/net/connect',
    { Container: 'two', EndpointConfig: at('10.83.0.10') },
    403,
    /Address already in use/,
  ],
  [
    'a container that is not there',
    'POST',
    '/networks/net/connect',
    { Container: 'nobody' },
    404,
    /No such container: nobody/,
  ],
  ['no longer there', 'POST', '/networks/nowhere/disconnect', { Container: 'one' }, 404, /network nowhere not found/],
  [
    'a container that is not on it',
    'POST',
    '/networks/net/disconnect',
    { Container: 'two' },
    [409, 500],
    /is not connected to (the )?network net/,
  ],
  ['a filter that is none', 'GET', '/networks?filters={"color":["red"]}', undefined, 400, /invalid filter/],
  ['filters that are no JSON', 'GET', '/networks?filters=x', undefined, 400, /invalid/],
  [
    'two times until',
    'POST',
    '/networks/prune?filters={"until":["1h","2h"]}',
    undefined,
    400,
    /more than one until filter/,
  ],
];

engineSuite('networks: what cannot be', {}, (engine) => {
  const docker = dockerOf(engine);
  const api = (method: string, path: string, body?: unknown) => engine().api(method, path.replaceAll('"', '%22'), body);

  /** All that the engine says, and all that is on the host. */
  async function state(): Promise<unknown> {
    const networks = (await api('GET', '/networks')).json<{ Id: string }[]>();
    networks.sort((one, other) => (one.Id < other.Id ? -1 : 1));
    const whole = await Promise.all(
      networks.map(async ({ Id }) => (await api('GET', `/networks/${Id}`)).json<unknown>()),
    );
    const containers = (await api('GET', '/containers/json?all=1')).json<Record<string, unknown>[]>();
    const links = (await engine().inside(['ip', '-br', 'link'])).stdout.split('\n').length;
    const rules = isOracle() ? '' : (await engine().inside(['nft', '--stateless', 'list', 'ruleset'])).stdout;
    const shown = containers.map(({ Id, State, NetworkSettings, Ports }) => ({ Id, State, NetworkSettings, Ports }));
    return { whole, shown, links, rules };
  }

  /** Creates and starts a container; gives the first answer that is a refusal, and removes what was created. */
  async function attempt(body: unknown) {
    const created = await api('POST', '/containers/create?name=refused', body);
    const started = created.status === 201 ? await api('POST', '/containers/refused/start') : created;
    await api('DELETE', '/containers/refused?force=1');
    return started;
  }

  /** A program of the host with a TCP and a UDP port. */
  function listener(): { child: ChildProcess; end: Promise<unknown> } {
    const code = `require('net').createServer().listen(8203); require('dgram').createSocket('udp4').bind(8204)`;
    const [program, ...rest] = engine().namespaces.enter([process.execPath, '-e', code]);
    const child = spawn(program, rest, { stdio: 'ignore' });
    return { child, end: ended(child) };
  }

  test('a table of requests', { timeout: 300_000 }, async () => {
    await docker.ok('network', 'create', '--subnet=10.83.0.0/24', '--aux-address=a=10.83.0.5', 'net');
    await docker.ok(
      'run',
      '-d',
      '--name=one',
      '--network=net',
      '--ip=10.83.0.10',
      '-p',
      '8202:80',
      busybox,
      'sleep',
      '1000',
    );
    await docker.ok('run', '-d', '--name=two', busybox, 'sleep', '1000');
    const other = listener();
    try {
      await eventually('both listen', async () => {
        const { stdout } = await engine().inside([
          'cat',
          '/proc/net/tcp',
          '/proc/net/tcp6',
          '/proc/net/udp',
          '/proc/net/udp6',
        ]);
        return stdout.includes(':200B ') && stdout.includes(':200C ');
      });
      let before = await state();
      const wrong: string[] = [];
      for (const [what, method, path, body, statuses, says] of cases) {
        const answer = method === run ? await attempt(body) : await api(method, path, body);
        const expected = [statuses].flat()[isOracle() ? 1 : 0] ?? [statuses].flat()[0];
        const accepted = isOracle() && expected === 201;
        if (!accepted && (answer.status !== expected || !says.test(answer.text))) {
          wrong.push(`${what}: ${answer.status} ${answer.text.trim()}, expected ${String(expected)} ${String(says)}`);
        }
        try {
          await eventually('nothing has changed', async () => isSame(await state(), before), {
            timeout: 3000,
            every: 50,
          });
        } catch {
          wrong.push(
            `${what}: something has changed: ${JSON.stringify(await state())} instead of ${JSON.stringify(before)}`,
          );
          before = await state();
        }
      }
      assert.deepEqual(wrong, []);
    } finally {
      other.child.kill('SIGKILL');
      await other.end;
    }
  });
});

const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
