import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PortMap } from '../../spec/engine/container.ts';
import { parseContainerPort, planPorts, portMapOf, publishedIn } from './binding.ts';

const plan = (portBindings: PortMap, exposedPorts: string[] = [], publishAll = false) =>
  planPorts({ portBindings, exposedPorts, publishAll }, { proxy: false, ipv6Targets: false });

test('container ports have tcp as their protocol unless they name one', () => {
  assert.deepEqual(parseContainerPort('80'), { port: 80, protocol: 'tcp' });
  assert.deepEqual(parseContainerPort('53/UDP'), { port: 53, protocol: 'udp' });
  assert.deepEqual(parseContainerPort('36412/sctp'), { port: 36412, protocol: 'sctp' });
  for (const text of ['', '0', '65536', '-1', '80x', '8e1', '080']) {
    assert.throws(() => parseContainerPort(text), { code: 'invalid', message: /^invalid port specification: / }, text);
  }
  assert.throws(() => parseContainerPort('80/http'), { message: 'invalid proto: http' });
});

test('fixed ports come before ranges, ranges before free ones', () => {
  const { requests, exposed } = plan(
    {
      '80/tcp': [{ HostIp: '', HostPort: '' }],
      '81/tcp': [{ HostIp: '127.0.0.1', HostPort: '8000-8010' }],
      '82/tcp': [{ HostIp: '', HostPort: '8082' }],
    },
    ['9/udp', '82/tcp'],
    true,
  );
  assert.deepEqual(
    requests.map(({ port, hostIps, hostPorts }) => [port, hostIps.join(), hostPorts]),
    [
      [82, '0.0.0.0', [8082, 8082]],
      [81, '127.0.0.1', [8000, 8010]],
      [80, '0.0.0.0', undefined],
      [9, '0.0.0.0', undefined],
    ],
  );
  assert.deepEqual(
    exposed.map(({ port }) => port),
    [9, 80, 81, 82],
  );
});

test('malformed bindings are refused by name', () => {
  const bind = (HostPort: string, HostIp = '') => plan({ '80/tcp': [{ HostIp, HostPort }] });
  for (const text of ['abc', '70000', '9-8', '1-', '-1', '1-2-3'])
    assert.throws(() => bind(text), { code: 'invalid' }, text);
  assert.throws(() => bind('80', 'localhost'), { message: 'invalid IP address: localhost' });
  assert.throws(() => bind('80', '300.0.0.1'), { code: 'invalid' });
  assert.doesNotThrow(() => plan(JSON.parse('{"80/tcp": null}')));
});

test('without an address a port is meant for IPv6 too, where that is possible', () => {
  const hostIps = (HostIp: string, ipv6: boolean, port = '80/tcp') =>
    planPorts(
      { portBindings: { [port]: [{ HostIp, HostPort: '80' }] }, exposedPorts: [], publishAll: false },
      {
        proxy: ipv6,
        ipv6Targets: false,
      },
    ).requests[0]?.hostIps;
  assert.deepEqual(hostIps('', true), ['0.0.0.0', '::']);
  assert.deepEqual(hostIps('', true, '80/sctp'), ['0.0.0.0']);
  assert.deepEqual(hostIps('', false), ['0.0.0.0']);
  assert.deepEqual(hostIps('0.0.0.0', true), ['0.0.0.0']);
  assert.deepEqual(hostIps('0:0::1', true), ['::1']);
  assert.throws(() => hostIps('::1', false), { code: 'not-implemented' });
  assert.throws(() => hostIps('::g', true), { code: 'invalid' });
});

test('what is published reads back from the map that is stored', () => {
  const published = [
    { port: 80, protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080 },
    { port: 80, protocol: 'tcp', hostIp: '127.0.0.1', hostPort: 8081 },
  ] as const;
  const map = portMapOf(
    [
      { port: 80, protocol: 'tcp' },
      { port: 53, protocol: 'udp' },
    ],
    published,
  );
  assert.deepEqual(JSON.parse(JSON.stringify(map)), {
    '80/tcp': [
      { HostIp: '0.0.0.0', HostPort: '8080' },
      { HostIp: '127.0.0.1', HostPort: '8081' },
    ],
    '53/udp': null,
  });
  assert.deepEqual(publishedIn(map), published);
});

test('a binding without an address has the operator’s', () => {
  const wanted = { exposedPorts: ['80'], portBindings: { '53/udp': [{ HostIp: '', HostPort: '' }] }, publishAll: true };
  const { requests } = planPorts(wanted, { proxy: true, ipv6Targets: false }, { hostIps: ['127.0.0.1'] });
  assert.deepEqual(
    requests.map(({ hostIps }) => hostIps),
    [['127.0.0.1'], ['127.0.0.1']],
  );
});
