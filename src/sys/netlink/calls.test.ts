import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { check } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';
import { closeNetNamespace, inNetNamespace } from '../namespace/net.ts';
import { addAddress, addressesIn, dumpAddresses, dumpRoutes, routesIn } from './address.ts';
import { deleteLinks, linkIndex, openNamespace, writeNetSysctls } from './calls.ts';
import { addBridge, dumpLinks, linksIn } from './link.ts';
import { netlinkFamily, NetlinkSocket } from './socket.ts';

const skip = process.getuid?.() === 0 ? false : 'network namespaces need root';

/** The test process goes into a network of its own, for good. */
function leaveHost(): void {
  const libc = openLibrary(null, { unshare: { arguments: ['i32'], return: 'i32' } });
  check(libc.unshare(0x40000000), 'unshare');
}

test('addresses carry the broadcast address of their subnet', () => {
  const { body } = addAddress(3, Uint8Array.of(10, 1, 2, 3), 20);
  assert.equal(body.subarray(0, 8).length, 8);
  assert.ok(Buffer.from(body).includes(Buffer.from([10, 1, 15, 255])));
});

test('a namespace with a cable to a bridge: links, addresses, route, sysctls', { skip }, () => {
  leaveHost();
  let inside = -1;
  try {
    using socket = new NetlinkSocket(netlinkFamily.route);
    socket.request([addBridge('br0', Uint8Array.of(2, 0x42, 1, 2, 3, 4), 1400)], 'bridge');
    assert.throws(() => socket.request([addBridge('br0', Uint8Array.of(2, 0, 0, 0, 0, 1))], 'again'), {
      code: 'EEXIST',
      message: /^again: /,
    });
    const cable = {
      hostName: 'cable0',
      bridge: 'br0',
      name: 'eth0',
      mac: Uint8Array.of(2, 0x42, 10, 0, 0, 2),
      address: Uint8Array.of(10, 0, 0, 2),
      prefixLength: 24,
      gateway: Uint8Array.of(10, 0, 0, 1),
      mtu: 1400,
    };
    const sysctls = { 'net.ipv4.ip_unprivileged_port_start': '0', 'net.nothing': '1' };
    inside = openNamespace({ sysctls, cables: [cable] });
    const links = linksIn(socket.query(dumpLinks(), 'links'));
    const bridge = links.find(({ name }) => name === 'br0');
    const port = links.find(({ name }) => name === 'cable0');
    assert.deepEqual(bridge, {
      index: bridge?.index,
      name: 'br0',
      kind: 'bridge',
      up: true,
      master: 0,
      mtu: 1400,
      mac: '02:42:01:02:03:04',
    });
    assert.deepEqual([port?.kind, port?.up, port?.master, port?.mtu], ['veth', true, bridge?.index, 1400]);

    using own = inNetNamespace(inside, () => new NetlinkSocket(netlinkFamily.route));
    const eth0 = linksIn(own.query(dumpLinks(), 'links')).find(({ name }) => name === 'eth0');
    assert.deepEqual([eth0?.up, eth0?.mac], [true, '02:42:0a:00:00:02']);
    const addresses = addressesIn(own.query(dumpAddresses(), 'addresses'));
    assert.deepEqual(
      addresses.map(({ address, prefixLength }) => `${address.join('.')}/${prefixLength}`),
      ['127.0.0.1/8', '10.0.0.2/24'],
    );
    const routes = routesIn(own.query(dumpRoutes(), 'routes'));
    assert.deepEqual(routes.map(({ destination, prefixLength }) => `${destination.join('.')}/${prefixLength}`).sort(), [
      '0.0.0.0/0',
      '10.0.0.0/24',
    ]);
    writeNetSysctls(inside, { 'net/ipv4/conf/eth0/forwarding': '1' });
    const read = (name: string) =>
      inNetNamespace(inside, () => readFileSync(`/proc/sys/net/ipv4/${name}`, 'utf8').trim());
    assert.equal(read('conf/eth0/forwarding'), '1');
    assert.equal(read('ip_unprivileged_port_start'), '0');
    assert.throws(() => writeNetSysctls(inside, { 'net.nothing': '1' }), { code: 'ENOENT' });

    deleteLinks(['cable0', 'cable0', 'never-was']);
    assert.equal(linkIndex('cable0'), 0);
  } finally {
    closeNetNamespace(inside);
  }
});
