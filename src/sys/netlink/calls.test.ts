import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { check } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';
import { closeNetNamespace, inNetNamespace } from '../namespace/net.ts';
import { addAddress, addressesIn, dumpAddresses, dumpRoutes, routesIn } from './address.ts';
import { deleteLinks } from './cable.ts';
import { changeNamespace, interfacesIn, openNamespace, writeNetSysctls } from './calls.ts';
import { addBridge, dumpLinks, linksIn } from './link.ts';
import { type ContainerLink, linkIndex } from './plug.ts';
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

test('a namespace with a cable to a bridge: links, addresses, route, sysctls', { skip }, async () => {
  leaveHost();
  let inside = -1;
  try {
    using socket = new NetlinkSocket(netlinkFamily.route);
    socket.request([addBridge('br0', Uint8Array.of(2, 0x42, 1, 2, 3, 4), 1400)], 'bridge');
    assert.throws(() => socket.request([addBridge('br0', Uint8Array.of(2, 0, 0, 0, 0, 1))], 'again'), {
      code: 'EEXIST',
      message: /^again: /,
    });
    const cable: ContainerLink = {
      origin: { kind: 'cable', hostName: 'cable0', bridge: 'br0', isolated: false },
      name: 'eth0',
      mac: Uint8Array.of(2, 0x42, 10, 0, 0, 2),
      addresses: [{ address: Uint8Array.of(10, 0, 0, 2), prefixLength: 24 }],
      mtu: 1400,
      sysctls: [],
    };
    const gateway = Uint8Array.of(10, 0, 0, 1);
    const sysctls = { 'net.ipv4.ip_unprivileged_port_start': '0', 'net.nothing': '1' };
    inside = openNamespace({ sysctls, links: [cable], routes: [{ link: 'eth0', gateway }] });
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
    const addresses = addressesIn(own.query(dumpAddresses(), 'addresses')).filter(
      ({ address }) => address.length === 4,
    );
    assert.deepEqual(
      addresses.map(({ address, prefixLength }) => `${address.join('.')}/${prefixLength}`),
      ['127.0.0.1/8', '10.0.0.2/24'],
    );
    const routes = routesIn(own.query(dumpRoutes(), 'routes')).filter(({ destination }) => destination.length === 4);
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

    const second: ContainerLink = {
      ...cable,
      origin: { kind: 'cable', hostName: 'cable1', bridge: 'br0', isolated: true },
      name: 'eth1',
      mac: undefined,
      addresses: [
        { address: Uint8Array.of(10, 0, 1, 2), prefixLength: 24 },
        {
          address: Uint8Array.from({ length: 16 }, (_, at) => (at === 0 ? 0xfd : at === 15 ? 2 : 0)),
          prefixLength: 64,
        },
      ],
      sysctls: [['net/ipv4/conf/IFNAME/forwarding', '1']],
    };
    const defaultRoutes = () =>
      routesIn(own.query(dumpRoutes(), 'routes')).flatMap(({ prefixLength, gateway: way }) =>
        prefixLength === 0 && way?.length === 4 ? [way.join('.')] : [],
      );
    const other = Uint8Array.of(10, 0, 1, 1);
    changeNamespace({ namespace: inside, add: [second], remove: [], routes: [{ link: 'eth1', gateway: other }] });
    assert.deepEqual(interfacesIn(inside), ['lo', 'eth0', 'eth1']);
    assert.deepEqual(defaultRoutes(), ['10.0.1.1']);
    assert.equal(read('conf/eth1/forwarding'), '1');
    const clash = { ...second, origin: { ...second.origin, hostName: 'cable2' } } as ContainerLink;
    const failing = { namespace: inside, add: [clash], remove: [], routes: [{ link: 'eth0', gateway }] };
    assert.throws(() => changeNamespace(failing), { code: 'EEXIST' });
    assert.deepEqual(defaultRoutes(), ['10.0.1.1'], 'a failed change changes nothing');
    assert.deepEqual(interfacesIn(inside), ['lo', 'eth0', 'eth1']);
    changeNamespace({ namespace: inside, add: [], remove: ['eth1', 'eth9'], routes: [{ link: 'eth0', gateway }] });
    assert.deepEqual(interfacesIn(inside), ['lo', 'eth0']);
    assert.deepEqual(defaultRoutes(), ['10.0.0.1']);

    // What goes by its other end is shut and out of the way at once.
    const aside = [
      { name: 'eth0', as: 'cable0x' },
      { name: 'eth9', as: 'cable9x' },
    ];
    changeNamespace({ namespace: inside, add: [], remove: [], setAside: aside, routes: undefined });
    const shut = linksIn(own.query(dumpLinks(), 'links')).map(({ name, up }) => `${name} ${up}`);
    assert.deepEqual(shut, ['lo true', 'cable0x false']);
    assert.deepEqual(defaultRoutes(), []);
    await deleteLinks(['cable0', 'cable0', 'never-was']);
    assert.equal(linkIndex('cable0'), 0);
    assert.deepEqual(interfacesIn(inside), ['lo']);
  } finally {
    closeNetNamespace(inside);
  }
});
