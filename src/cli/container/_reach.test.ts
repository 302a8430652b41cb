import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerSummary, PortSummary } from '../../spec/engine/container.ts';
import type { NetworkView } from '../../spec/engine/network.ts';
import { reachOf } from './_reach.ts';

const network = (Name: string, Options: Record<string, string> = {}, more: Partial<NetworkView> = {}) =>
  [Name, { Name, Driver: 'bridge', Internal: false, Options, ...more } as NetworkView] as const;
const networks = new Map([
  network('bridge'),
  network('apart', { 'com.docker.network.bridge.enable_icc': 'false' }),
  network('inside', { 'com.docker.network.bridge.gateway_mode_ipv4': 'isolated' }, { Internal: true }),
  network('routed', { 'com.docker.network.bridge.gateway_mode_ipv4': 'routed' }),
  network('open', { 'com.docker.network.bridge.gateway_mode_ipv4': 'nat-unprotected' }),
  network('lan', { parent: 'eth0' }, { Driver: 'macvlan' }),
]);
const container = (Ports: PortSummary[], ...on: string[]) =>
  ({
    Id: 'c',
    Names: ['/web'],
    Ports,
    HostConfig: { NetworkMode: on[0] ?? 'host' },
    NetworkSettings: {
      Networks: Object.fromEntries(on.map((name) => [name, { IPAddress: '172.17.0.2', GlobalIPv6Address: '' }])),
    },
  }) as unknown as ContainerSummary;
const ways = (ports: PortSummary[], ...on: string[]) =>
  reachOf(container(ports, ...on), networks).map(({ port, at, by }) => `${port} ${at} ${by}`);
const published = (IP: string, more: Partial<PortSummary> = {}): PortSummary => ({
  IP,
  PrivatePort: 80,
  PublicPort: 8080,
  Type: 'tcp',
  ...more,
});

test('ports of the host, by the address and by whom they are for', () => {
  const From = ['10.0.0.0/8', 'fd00::/8'];
  const ports = [
    published('0.0.0.0'),
    published('192.0.2.1', { From }),
    published('::', { HostRules: true }),
    published('127.0.0.1', { HostRules: true }),
  ];
  assert.deepEqual(ways(ports, 'bridge'), [
    '80/tcp 0.0.0.0:8080 everyone',
    '80/tcp 127.0.0.1:8080 this host',
    '80/tcp 192.0.2.1:8080 10.0.0.0/8, this host',
    "80/tcp [::]:8080 everyone, if the host's own rules let them in",
    '80/tcp 172.17.0.2:80 containers of bridge, this host',
  ]);
});

test('by the own address, by the network', () => {
  const exposed: PortSummary = { PrivatePort: 80, Type: 'tcp' };
  const by = (name: string, port = exposed) =>
    ways([port], name).map((way) => way.replace('80/tcp 172.17.0.2:80 ', ''));
  assert.deepEqual(by('apart'), ['this host']);
  assert.deepEqual(by('inside'), ['containers of inside']);
  assert.deepEqual(by('open'), ['everyone who routes to it']);
  assert.deepEqual(by('routed'), ['containers of routed, this host']);
  assert.deepEqual(by('routed', published('0.0.0.0', { PublicPort: 0 })), ['everyone who routes to it']);
  assert.deepEqual(by('routed', published('0.0.0.0', { PublicPort: 0, From: ['192.0.2.0/24'] })), [
    '192.0.2.0/24, containers of routed, this host',
  ]);
  assert.deepEqual(by('lan'), ['everyone on the network of eth0']);
  assert.deepEqual(ways([]), ["all the host's addresses whoever the host's own rules let in"]);
});
