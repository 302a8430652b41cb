import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PortAllocator } from './allocator.ts';
import type { PortRequest } from './binding.ts';

/** A host on which `busy` ports have a listener. */
function hostWith(busy: readonly number[]) {
  const held = new Set<string>();
  return {
    held,
    hold(protocol: string, hostIp: string, port: number): Disposable {
      if (busy.includes(port)) throw Object.assign(new Error('in use'), { code: 'EADDRINUSE' });
      if (hostIp === '203.0.113.1') throw Object.assign(new Error('no such address'), { code: 'EADDRNOTAVAIL' });
      const key = `${protocol} ${hostIp}:${port}`;
      held.add(key);
      return { [Symbol.dispose]: () => held.delete(key) };
    },
    ephemeralRange: () => [40000, 40003] as const,
  };
}
const want = (hostPorts: readonly [number, number] | undefined, more: Partial<PortRequest> = {}): PortRequest => ({
  port: 80,
  protocol: 'tcp',
  hostIps: ['0.0.0.0'],
  hostPorts,
  ...more,
});
const target = '172.17.0.2:80/tcp';

test('a port has one owner for each address and protocol', () => {
  const host = hostWith([]);
  const ports = new PortAllocator(host);
  const [first] = ports.allocate(want([8080, 8080], { hostIps: ['127.0.0.1'] }), target);
  assert.deepEqual([...host.held], ['tcp 127.0.0.1:8080']);
  assert.throws(() => ports.allocate(want([8080, 8080]), target), {
    code: 'conflict',
    message: 'Bind for 127.0.0.1:8080 failed: port is already allocated',
  });
  ports.allocate(want([8080, 8080], { hostIps: ['192.0.2.1'] }), target);
  ports.allocate(want([8080, 8080], { protocol: 'udp' }), target);
  assert.ok(first !== undefined);
  ports.release(first);
  ports.release(first);
  assert.deepEqual([...host.held], ['tcp 192.0.2.1:8080', 'udp 0.0.0.0:8080']);
  ports.allocate(want([8080, 8080], { hostIps: ['127.0.0.1'] }), target);
});

test('listeners of the host and foreign addresses are named as Docker names them', () => {
  const ports = new PortAllocator(hostWith([8080]));
  assert.throws(() => ports.allocate(want([8080, 8080]), target), {
    code: 'conflict',
    message: 'failed to bind host port for 0.0.0.0:8080:172.17.0.2:80/tcp: address already in use',
  });
  assert.throws(() => ports.allocate(want([81, 81], { hostIps: ['203.0.113.1'] }), target), {
    message: 'failed to bind host port for 203.0.113.1:81:172.17.0.2:80/tcp: cannot assign requested address',
  });
});

test('free ports go round, past those in use, until there are none', () => {
  const ports = new PortAllocator(hostWith([40001]));
  const next = () => ports.allocate(want(undefined), target)[0] ?? assert.fail();
  const [a, b, c] = [next(), next(), next()];
  assert.deepEqual([a.hostPort, b.hostPort, c.hostPort], [40000, 40002, 40003]);
  assert.throws(next, { code: 'conflict', message: /all ports are allocated/ });
  ports.release(b);
  assert.equal(next().hostPort, 40002);
});

test('a range gives its first free port', () => {
  const ports = new PortAllocator(hostWith([8000]));
  assert.equal(ports.allocate(want([8000, 8001]), target)[0]?.hostPort, 8001);
  assert.throws(() => ports.allocate(want([8000, 8001]), target), /8000-8001 failed: all ports are allocated/);
});

test('a claimed port is owned even when another program listens on it', () => {
  const ports = new PortAllocator(hostWith([8080]));
  const port = { port: 80, protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080 } as const;
  assert.equal(ports.claim(port), false);
  assert.throws(() => ports.allocate(want([8080, 8080]), target), /already allocated/);
  ports.release(port);
  assert.equal(ports.claim({ ...port, hostPort: 8081 }), true);
});

test('a port on all addresses is had on both kinds, or on none', () => {
  const host = hostWith([]);
  const ports = new PortAllocator(host);
  const both = { hostIps: ['0.0.0.0', '::'] };
  assert.deepEqual(
    ports.allocate(want([8080, 8080], both), target).map(({ hostIp }) => hostIp),
    ['0.0.0.0', '::'],
  );
  ports.allocate(want([8081, 8081], { hostIps: ['::1'] }), target);
  assert.throws(() => ports.allocate(want([8081, 8081], both), target), {
    message: 'Bind for ::1:8081 failed: port is already allocated',
  });
  assert.ok(!host.held.has('tcp 0.0.0.0:8081'));
  assert.equal(ports.allocate(want([8081, 8082], both), target)[1]?.hostPort, 8082);
});

test('a kind of address that the host lacks is left out', () => {
  const host = hostWith([]);
  const ports = new PortAllocator({
    ephemeralRange: host.ephemeralRange,
    hold: (protocol, hostIp, port) => (hostIp === '::' ? undefined : host.hold(protocol, hostIp, port)),
  });
  assert.equal(ports.allocate(want([8080, 8080], { hostIps: ['0.0.0.0', '::'] }), target).length, 1);
});
