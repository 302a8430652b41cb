import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { type ContainerId, newContainerId } from '../base/ids.ts';
import { silentLogger } from '../base/log.ts';
import type { OpenSandbox, SandboxRequest } from '../spec/contract/network.ts';
import type { PortMap } from '../spec/engine/container.ts';
import { noFilters } from '../spec/engine/filters.ts';
import { closeNetNamespace, inNetNamespace } from '../sys/namespace/net.ts';
import { deleteLinks } from '../sys/netlink/cable.ts';
import { linkIndex } from '../sys/netlink/plug.ts';
import { Nftables } from '../sys/nftables/connection.ts';
import { Agent, addNeighbour, enterLab, hostAgent, labSkip, memoryJournal, setSysctl } from './_lab.ts';
import { linksNamed } from './bridge/link.ts';
import { processStartTime } from '../sys/process/pidfd.ts';
import { openNetworks } from './open.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-network-'));
const resolverSocket = join(folder, 'resolver.sock');
const config = {
  bridgeName: 'gantry0',
  tableName: 'gantry',
  interfacePrefix: 'gveth',
  networkPrefix: 'br-',
  resolverSocket,
};
const table4 = { name: 'gantry', family: 4 } as const;
const journal = memoryJournal();
const service = () => openNetworks(config, { journal, clock: systemClock, log: silentLogger });

const request = (name: string, more: Partial<SandboxRequest> = {}): SandboxRequest => ({
  containerId: newContainerId(),
  containerName: name,
  hostname: name,
  networkMode: 'default',
  endpoints: {},
  exposedPorts: [],
  portBindings: {},
  publishAll: false,
  sysctls: {},
  resolver: { dns: [], search: [], options: [] },
  ...more,
});
const publish = (port: string, hostPort: string, hostIp = ''): PortMap => ({
  [port]: [{ HostIp: hostIp, HostPort: hostPort }],
});
const namespaceOf = (open: OpenSandbox): number => Number(open.namespacePath?.split('/').at(-1));
const running = ({ open, agent }: { open: OpenSandbox; agent: Agent }) => ({
  sandbox: open.sandbox,
  process: { pid: agent.pid, start: processStartTime(agent.pid) ?? 0 },
  resolver: { dns: [], search: [], options: [] },
});
const addressOf = (open: OpenSandbox): string => open.sandbox.endpoints['bridge']?.IPAddress ?? '';

describe('the default network, with packets', { skip: labSkip }, () => {
  let networks: Awaited<ReturnType<typeof service>>;
  let neighbour: Agent;
  let host: Agent;
  const neighbours: number[] = [];
  const agents: Agent[] = [];
  const containers: ContainerId[] = [];

  /** A container with a server on port 80 (TCP and UDP) that answers with its name. */
  async function container(name: string, more: Partial<SandboxRequest> = {}) {
    const wish = request(name, more);
    const open = await networks.open(wish);
    const agent = await Agent.start(namespaceOf(open));
    agents.push(agent);
    containers.push(wish.containerId);
    await agent.listen(80, name);
    await agent.listen(80, name, 'udp');
    open.releasePath();
    return { id: wish.containerId, open, agent, ip: addressOf(open), close: () => networks.close(wish.containerId) };
  }

  afterEach(async () => {
    for (const agent of agents.splice(0)) agent[Symbol.dispose]();
    for (const id of containers.splice(0)) await networks.close(id);
  });

  before(async () => {
    enterLab();
    neighbours.push(addNeighbour({ name: 'wire0', hostIp: '192.0.2.1', neighbourIp: '192.0.2.9' }));
    networks = await service();
    await networks.restore(new Map());
    neighbour = await Agent.start(neighbours[0] ?? -1);
    host = await hostAgent();
  });

  after(async () => {
    for (const agent of [neighbour, host]) agent[Symbol.dispose]();
    for (const namespace of neighbours) closeNetNamespace(namespace);
    await networks.shutdown();
    rmSync(folder, { recursive: true });
  });

  /** Waits, at most a minute, for something that another process does. */
  async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    for (const start = performance.now(); !(await holds()); await new Promise((resolve) => setTimeout(resolve, 20))) {
      assert.ok(performance.now() - start < 60_000, what);
    }
  }

  test('a published port is reached from everywhere', async () => {
    const web = await container('web', { portBindings: publish('80/tcp', '8080') });
    const other = await container('other');
    assert.deepEqual(
      { ...web.open.sandbox.ports },
      {
        '80/tcp': [
          { HostIp: '0.0.0.0', HostPort: '8080' },
          { HostIp: '::', HostPort: '8080' },
        ],
      },
    );
    assert.equal(await host.ask('127.0.0.1', 8080), 'web 172.17.0.1');
    assert.match(await host.ask('192.0.2.1', 8080), /^web /);
    assert.equal(await neighbour.ask('192.0.2.1', 8080), 'web 192.0.2.9');
    assert.match(await other.agent.ask('192.0.2.1', 8080), /^web /);
    assert.match(await other.agent.ask('172.17.0.1', 8080), /^web /);
    assert.match(await web.agent.ask('192.0.2.1', 8080), /^web /, 'its own published port');
    assert.equal(await other.agent.ask(web.ip, 80), `web ${other.ip}`, 'containers of a network see each other');
    await web.close();
    assert.equal(await host.ask('127.0.0.1', 8080), 'error ECONNREFUSED');
    await other.close();
  });

  test('IPv6 clients are served by the proxy process, which outlives the engine', async () => {
    const portBindings = { ...publish('80/tcp', '8080'), ...publish('80/udp', '8080', '::1') };
    const web = await container('web', { portBindings });
    const served = async (protocol: 'tcp' | 'udp') => (await host.ask('::1', 8080, protocol, 1000)).startsWith('web ');
    await until('the port is proxied', () => served('tcp'));
    await until('the UDP port is proxied', () => served('udp'));
    await assert.rejects(networks.open(request('late', { portBindings: publish('80/tcp', '8080', '::') })), {
      message: /Bind for :::8080 failed: port is already allocated$/,
    });
    await networks.shutdown();
    assert.ok(await served('tcp'), 'without an engine');
    networks = await service();
    await networks.restore(new Map([[web.id, running(web)]]));
    assert.ok(await served('tcp'), 'with the next engine');
    await web.close();
    await until('the port is closed', async () => (await host.ask('::1', 8080)) === 'error ECONNREFUSED');
    await networks.shutdown();
    await until('the process ends with nothing to do', () => !existsSync(resolverSocket));
    networks = await service();
    await networks.restore(new Map());
  });

  test('containers that come and go are events of their network', async () => {
    const { Id: id } = await networks.inspect('bridge', { verbose: false, scope: '' });
    const one = await container('one');
    await one.close();
    await new Promise((resolve) => setImmediate(resolve));
    const attributes = { container: one.id, name: 'bridge', type: 'bridge' };
    assert.deepEqual(
      journal.events.filter((event) => event.attributes['container'] === one.id),
      [
        { type: 'network', action: 'connect', actorId: id, attributes },
        { type: 'network', action: 'disconnect', actorId: id, attributes },
      ],
    );
  });

  test('containers reach the outside with the address of the host', async () => {
    await neighbour.listen(7000, 'outside');
    const one = await container('one');
    assert.equal(await one.agent.ask('192.0.2.9', 7000), 'outside 192.0.2.1');
    await one.close();
  });

  test('nothing but published ports is reached from outside', async () => {
    const secret = await container('secret', { portBindings: publish('80/tcp', '8081', '127.0.0.1') });
    const web = await container('web', { portBindings: publish('80/tcp', '8080') });
    assert.match(await host.ask('127.0.0.1', 8081), /^secret /);
    // A neighbour that puts loopback addresses on the wire; at worst to an interface that lets them in.
    inNetNamespace(neighbours[0] ?? -1, () => setSysctl('net.ipv4.conf.eth0.route_localnet', '1'));
    for (const wire of ['0', '1']) {
      setSysctl('net.ipv4.conf.wire0.route_localnet', wire);
      assert.match(await neighbour.tryToReach('192.0.2.1', 8081), /^error/, 'by the address of the host');
      assert.match(await neighbour.tryToReach('127.0.0.1', 8081), /^error/, 'by the loopback address on the wire');
      assert.match(await neighbour.tryToReach(secret.ip, 80), /^error TIMEOUT/, 'by the address of the container');
      assert.match(await neighbour.tryToReach(web.ip, 80), /^error TIMEOUT/, 'around its published port');
    }
    assert.match(await web.agent.tryToReach('127.0.0.1', 8081), /^error/);
    await secret.close();
    await web.close();
  });

  test('containers cannot reach the loopback of the host', async () => {
    await host.listen(9000, 'host');
    const one = await container('one');
    assert.equal(await one.agent.ask('172.17.0.1', 9000), `host ${one.ip}`);
    assert.match(await one.agent.tryToReach('127.0.0.1', 9000), /^error/);
    await one.close();
  });

  test('a UDP port works, and an old flow follows it to the next container', async () => {
    const first = await container('first', { portBindings: publish('80/udp', '5300') });
    assert.match(await neighbour.ask('192.0.2.1', 5300, 'udp'), /^first /);
    await first.close();
    const second = await container('second', { portBindings: publish('80/udp', '5300') });
    assert.match(await neighbour.ask('192.0.2.1', 5300, 'udp'), /^second /);
    await second.close();
  });

  test('ports that are taken are refused in the words of Docker, and nothing is left', async () => {
    const web = await container('web', { portBindings: publish('80/tcp', '8080') });
    const before = linksNamed(config.interfacePrefix).length;
    await assert.rejects(networks.open(request('late', { portBindings: publish('80/tcp', '8080') })), {
      code: 'conflict',
      message:
        /^failed to set up container networking: driver failed programming external connectivity on endpoint late \([0-9a-f]{64}\): Bind for 0\.0\.0\.0:8080 failed: port is already allocated$/,
    });
    const server = createServer().listen(8090, '0.0.0.0');
    await once(server, 'listening');
    const error = /failed to bind host port for 0\.0\.0\.0:8090:172\.17\.\d+\.\d+:80\/tcp: address already in use$/;
    const wish = { ...publish('81/tcp', '8091'), ...publish('80/tcp', '8090') };
    await assert.rejects(networks.open(request('late', { portBindings: wish })), error);
    server.close();
    await (await container('again', { portBindings: publish('80/tcp', '8091') })).close();
    await web.close();
    assert.ok(linksNamed(config.interfacePrefix).length <= before + 6);
  });

  test('ranges and free ports', async () => {
    const range = { portBindings: publish('80/tcp', '8100-8101') };
    const one = await container('one', range);
    const two = await container('two', range);
    const ports = [one, two].map(({ open }) => open.sandbox.ports['80/tcp']?.[0]?.HostPort);
    assert.deepEqual(ports, ['8100', '8101']);
    await assert.rejects(networks.open(request('three', range)), /8100-8101 failed: all ports are allocated$/);
    const any = await container('any', { exposedPorts: ['80/tcp', '81/udp'], publishAll: true });
    const hostPort = Number(any.open.sandbox.ports['80/tcp']?.[0]?.HostPort);
    assert.ok(hostPort >= 32768 && hostPort <= 60999);
    assert.match(await neighbour.ask('192.0.2.1', hostPort), /^any /);
    for (const { close } of [one, two, any]) await close();
  });

  test('sysctls, hardware address and the modes none and host', async () => {
    const wish = request('mac', {
      endpoints: { default: { MacAddress: '02:00:00:00:00:07' } as never },
      sysctls: { 'net.ipv4.tcp_syncookies': '0' },
    });
    const open = await networks.open(wish);
    assert.equal(open.sandbox.endpoints['bridge']?.MacAddress, '02:00:00:00:00:07');
    assert.match(open.namespacePath ?? '', /^\/proc\/\d+\/fd\/\d+$/);
    open.releasePath();
    await networks.close(wish.containerId);
    await assert.rejects(networks.open(request('bad', { sysctls: { 'net.nothing.here': '1' } })), { code: 'invalid' });

    const none = request('none', { networkMode: 'none', portBindings: publish('80/tcp', '8080') });
    const bare = await networks.open(none);
    const agent = await Agent.start(namespaceOf(bare));
    assert.match(await agent.ask('192.0.2.9', 7000), /^error ENETUNREACH/);
    await agent.listen(80, 'self');
    assert.match(await agent.ask('127.0.0.1', 80), /^self/);
    agent[Symbol.dispose]();
    assert.deepEqual(Object.keys(bare.sandbox.endpoints), ['none']);
    bare.releasePath();
    await networks.close(none.containerId);

    const shared = await networks.open(request('host', { networkMode: 'host' }));
    assert.equal(shared.namespacePath, undefined);
    assert.equal(shared.sandbox.mode, 'host');
  });

  test('another program can flush all firewalls, and the ports stay published', async () => {
    const web = await container('web', { portBindings: publish('80/tcp', '8080') });
    using intruder = new Nftables();
    try {
      intruder.remove(table4);
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'EPERM');
    }
    await until('the table is there', () => intruder.existing(table4) !== 'none');
    assert.match(await neighbour.ask('192.0.2.1', 8080), /^web /);
    assert.match(await neighbour.tryToReach(web.ip, 80), /^error TIMEOUT/);
    await web.close();
  });

  test('on an older kernel the rules are written again after a flush, other tables are left alone', async () => {
    await networks.shutdown();
    networks = await openNetworks(
      { ...config, protectFirewall: false },
      { journal, clock: systemClock, log: silentLogger },
    );
    await networks.restore(new Map());
    const web = await container('web', { portBindings: publish('80/tcp', '8080') });
    using intruder = new Nftables({ protect: false });
    const other = { name: 'other', family: 4 } as const;
    intruder.replace({ ...other, maps: [], chains: [] });
    intruder.remove(table4);
    await until('the table is there again', () => intruder.existing(table4) !== 'none');
    assert.match(await neighbour.ask('192.0.2.1', 8080), /^web /);
    assert.match(await neighbour.tryToReach(web.ip, 80), /^error TIMEOUT/);
    assert.equal(intruder.existing(other), 'plain');
    await web.close();
    assert.equal(await neighbour.ask('192.0.2.1', 8080), 'error ECONNREFUSED');
    await networks.shutdown();
    networks = await service();
    await networks.restore(new Map());
  });

  test('the engine dies and comes back: addresses, ports and rules are as before', async () => {
    const web = await container('web', { portBindings: publish('80/tcp', '8080') });
    const inspected = await networks.inspect('bridge', { verbose: false, scope: '' });
    // What a dead engine leaves: its table without an owner, and an interface that belongs to nobody.
    await networks.shutdown();
    assert.match(await neighbour.ask('192.0.2.1', 8080), /^web /, 'without an engine');
    networks = await service();
    await networks.restore(new Map([[web.id, running(web)]]));
    assert.match(await neighbour.ask('192.0.2.1', 8080), /^web /);
    await assert.rejects(
      networks.open(request('late', { portBindings: publish('80/tcp', '8080') })),
      /already allocated/,
    );
    const next = await container('next');
    assert.notEqual(next.ip, web.ip);
    const again = await networks.inspect('bridge', { verbose: false, scope: '' });
    assert.equal(again.Id, inspected.Id);
    assert.deepEqual(again.IPAM, inspected.IPAM);
    assert.deepEqual(again.Containers[web.id]?.IPv4Address, `${web.ip}/16`);
    await web.close();
    await next.close();
    assert.equal(await neighbour.ask('192.0.2.1', 8080), 'error ECONNREFUSED');
  });

  test('a deleted bridge comes back with the next container, cables and all', async () => {
    const web = await container('web', { portBindings: publish('80/tcp', '8080') });
    await deleteLinks([config.bridgeName]);
    const ready = linksNamed(config.interfacePrefix).filter(
      ({ name }) => !web.open.sandbox.hostInterfaces.includes(name),
    );
    await deleteLinks(ready.map(({ name }) => name));
    const next = await container('next');
    assert.match(await neighbour.ask('192.0.2.1', 8080), /^web /);
    assert.equal(await next.agent.ask(web.ip, 80), `web ${next.ip}`);
    await web.close();
    await next.close();
  });

  test('an engine without containers leaves nothing behind', async () => {
    await networks.shutdown();
    assert.equal(linkIndex(config.bridgeName), 0);
    assert.deepEqual(linksNamed(config.interfacePrefix), []);
    using firewall = new Nftables();
    assert.equal(firewall.existing(table4), 'none');
    networks = await service();
    assert.deepEqual((await networks.list(noFilters)).map(({ Name }) => Name).sort(), ['bridge', 'host', 'none']);
  });
});
