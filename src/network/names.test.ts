import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { newContainerId } from '../base/ids.ts';
import { silentLogger } from '../base/log.ts';
import type { SandboxRequest } from '../spec/contract/network.ts';
import type { EndpointSettings } from '../spec/engine/container.ts';
import { longestLine } from '../spec/resolver/control.ts';
import { emptyEndpointSettings } from '../spec/engine/empty-config.ts';
import { processStartTime } from '../sys/process/pidfd.ts';
import { LineSocket, listenForLines } from '../sys/socket/line-socket.ts';
import { enterLab, labSkip, memoryJournal } from './_lab.ts';
import { openNetworks } from './open.ts';
import { closeNetNamespace, openNetNamespaceOf } from '../sys/namespace/net.ts';
import type { NetworkConfig } from './config.ts';
import { NameClient } from './_name-client.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-names-'));
const config = {
  bridgeName: 'gantry0',
  tableName: 'gantry',
  interfacePrefix: 'gveth',
  networkPrefix: 'br-',
  resolverSocket: join(folder, 'resolver.sock'),
};
const journal = memoryJournal();
const service = (more: Partial<NetworkConfig> = {}) =>
  openNetworks({ ...config, ...more }, { journal, clock: systemClock, log: silentLogger });
const resolver = { dns: [], search: [], options: [] };

const network = (Name: string, more: object = {}) => ({
  Name,
  Driver: '',
  Scope: '',
  IPAM: { Driver: '', Options: null, Config: null },
  Internal: false,
  Attachable: false,
  Ingress: false,
  ConfigOnly: false,
  ConfigFrom: null,
  Options: {},
  Labels: {},
  ...more,
});

const settings = (more: Partial<EndpointSettings> = {}): EndpointSettings => ({ ...emptyEndpointSettings(), ...more });

describe('names of containers, with packets', { skip: labSkip }, () => {
  let networks: Awaited<ReturnType<typeof service>>;
  before(async () => {
    enterLab();
    networks = await service();
    await networks.restore(new Map());
  });
  after(async () => {
    await networks.shutdown();
    rmSync(folder, { recursive: true });
  });

  async function container(name: string, endpoints: SandboxRequest['endpoints'], own = resolver) {
    const request: SandboxRequest = {
      containerId: newContainerId(),
      containerName: name,
      hostname: `${name}-host`,
      networkMode: Object.keys(endpoints)[0] ?? 'default',
      endpoints,
      exposedPorts: [],
      portBindings: {},
      publishAll: false,
      sysctls: {},
      resolver: own,
    };
    const open = await networks.open(request);
    const client = await NameClient.start(Number(open.namespacePath?.split('/').at(-1)));
    const process = { pid: client.pid, start: processStartTime(client.pid) ?? 0 };
    networks.joined(request.containerId, process);
    open.releasePath();
    const end = async (): Promise<void> => {
      client[Symbol.dispose]();
      await networks.close(request.containerId);
    };
    const { sandbox } = open;
    return { request, sandbox, client, process, end, running: { sandbox, process, resolver: own } };
  }

  test('names, aliases, ids and host names, whatever the case of letters', async () => {
    await networks.create(network('first', { EnableIPv6: true }));
    const one = await container('one', { first: settings() });
    const two = await container('two', { first: settings({ Aliases: ['web'] }) });
    const { IPAddress = '', GlobalIPv6Address = '' } = two.sandbox.endpoints['first'] ?? {};
    const id = two.request.containerId.slice(0, 12);
    for (const name of ['two', 'TwO', 'two.', 'web', 'two-host', id, 'two.first', 'web.First']) {
      assert.deepEqual(await one.client.ask(name), [IPAddress], name);
      assert.deepEqual(await one.client.ask(name, 'AAAA'), [GlobalIPv6Address], name);
    }
    assert.deepEqual(await one.client.ask('two', 'MX'), ['error ENODATA']);
    assert.deepEqual(await one.client.ask(IPAddress, 'PTR'), ['two.first']);
    assert.deepEqual(await one.client.ask(GlobalIPv6Address, 'PTR'), ['two.first']);
    for (const name of ['tw', 'two.second', 'first', '.two']) {
      assert.match((await one.client.ask(name)).join(), /^error (ESERVFAIL|EBADNAME)$/, name);
    }
    await two.end();
    await one.end();
    await networks.remove('first');
  });

  test('a container that is connected gets a name server and names, one that leaves loses the names', async () => {
    await networks.create(network('first'));
    const one = await container('one', { first: settings() });
    const plain = await container('plain', {});
    const text = () => networks.resolvConf(plain.request.containerId, 'default', resolver);
    assert.doesNotMatch(await text(), /127\.0\.0\.11/);
    const wish = { nameOrId: 'first', settings: settings({ Aliases: ['al'] }) };
    const { sandbox } = await networks.connect(plain.request, wish, plain.process);
    assert.match(await text(), /^nameserver 127\.0\.0\.11\n/m);
    assert.equal(await networks.resolvConf(plain.request.containerId, 'default', resolver, 'edited'), undefined);
    const address = sandbox.endpoints['first']?.IPAddress;
    assert.deepEqual(await one.client.ask('al'), [address]);
    assert.deepEqual(await plain.client.ask('one'), [one.sandbox.endpoints['first']?.IPAddress]);
    await (await networks.disconnect(plain.request, 'first', plain.process)).apply();
    assert.match((await one.client.ask('al')).join(), /^error/);
    assert.match((await plain.client.ask('one')).join(), /^error/);
    await plain.end();
    await one.end();
    await networks.remove('first');
  });

  test('one that has left its last network with names keeps its name server, also with the next engine', async () => {
    await networks.create(network('first'));
    const one = await container('one', { first: settings() });
    const two = await container('two', { first: settings() });
    const leaving = await networks.disconnect(two.request, 'first', two.process);
    await leaving.apply();
    // The name server says that nobody knows; without one nobody would answer.
    assert.deepEqual(await two.client.ask('one'), ['error ESERVFAIL']);
    await networks.shutdown();
    networks = await service();
    const running = { ...two.running, sandbox: leaving.sandbox };
    await networks.restore(
      new Map([
        [one.request.containerId, one.running],
        [two.request.containerId, running],
      ]),
    );
    assert.deepEqual(await two.client.ask('one'), ['error ESERVFAIL']);
    await networks.connect(two.request, { nameOrId: 'first', settings: settings() }, two.process);
    assert.deepEqual(await two.client.ask('one'), [one.sandbox.endpoints['first']?.IPAddress]);
    await two.end();
    await one.end();
    await networks.remove('first');
  });

  test('the process answers without an engine, forgets who ends, and the next engine finds it', async () => {
    await networks.create(network('first'));
    const one = await container('one', { first: settings() });
    const two = await container('two', { first: settings() });
    const three = await container('three', { first: settings() });
    await networks.shutdown();
    assert.equal((await one.client.ask('two')).join(), two.sandbox.endpoints['first']?.IPAddress);
    two.client[Symbol.dispose]();
    for (let tries = 0; tries < 500 && (await one.client.ask('two')).join().startsWith('1'); tries++);
    assert.match((await one.client.ask('two')).join(), /^error/);
    networks = await service();
    await networks.restore(new Map([one, three].map((each) => [each.request.containerId, each.running])));
    assert.equal((await one.client.ask('three')).join(), three.sandbox.endpoints['first']?.IPAddress);
    const four = await container('four', { first: settings() });
    assert.equal((await one.client.ask('four')).join(), four.sandbox.endpoints['first']?.IPAddress);
    for (const each of [four, three, one]) await each.end();
    await networks.remove('first');
  });

  test('by option the default network has names, and the host’s programs find all', async () => {
    await networks.shutdown();
    const namesListen = { address: '127.0.0.54', port: 53 };
    networks = await service({ bridgeNames: true, namesListen });
    await networks.restore(new Map());
    await networks.create(network('first'));
    const one = await container('one', {});
    const two = await container('two', { first: settings() });
    const [ofOne, ofTwo] = [one.sandbox.endpoints['bridge'], two.sandbox.endpoints['first']];
    assert.deepEqual(await one.client.ask('one'), [ofOne?.IPAddress]);
    assert.match((await one.client.ask('two')).join(), /^error/);
    const namespace = openNetNamespaceOf(process.pid);
    using host = await NameClient.start(namespace, namesListen.address);
    closeNetNamespace(namespace);
    assert.deepEqual(await host.ask('one'), [ofOne?.IPAddress]);
    for (const name of ['two', 'two.first']) assert.deepEqual(await host.ask(name), [ofTwo?.IPAddress]);
    assert.deepEqual(await host.ask(ofTwo?.IPAddress ?? '', 'PTR'), ['two.first']);
    for (const name of ['nobody', 'two.bridge']) assert.deepEqual(await host.ask(name), ['error EREFUSED']);
    await two.end();
    await one.end();
    await networks.remove('first');
  });

  test('a process of another version of the protocol is replaced', async () => {
    const resolverSocket = join(folder, 'older.sock');
    const said: string[] = [];
    let connections = 0;
    const older = listenForLines(resolverSocket, (fd) => {
      connections++;
      const engine: LineSocket = new LineSocket(fd, longestLine, {
        line(text) {
          const { do: what, number, containers } = JSON.parse(text) as { do: string; number: number; containers?: [] };
          said.push(what === 'begin' ? `begin ${containers?.length}` : what);
          if (what !== 'leave') return engine.send(JSON.stringify({ number }));
          older[Symbol.dispose]();
          rmSync(resolverSocket);
          engine.close();
        },
        ended: () => engine.close(),
      });
    });
    await networks.create(network('first'));
    const one = await container('one', { first: settings() });
    const two = await container('two', { first: settings() });
    await networks.shutdown();
    networks = await service({ resolverSocket });
    await networks.restore(new Map([one, two].map((each) => [each.request.containerId, each.running])));
    const three = await container('three', { first: settings() });
    // The process of the engine before, which has another socket, does not know this one: the new one is asked.
    const found = async () => (await one.client.ask('three')).join();
    const end = performance.now() + 30_000;
    while (performance.now() < end && (await found()).startsWith('error'));
    assert.equal(await found(), three.sandbox.endpoints['first']?.IPAddress);
    assert.deepEqual(await one.client.ask('two'), [two.sandbox.endpoints['first']?.IPAddress]);
    assert.deepEqual([connections, said], [1, ['begin 2', 'begin 0', 'ports', 'listen', 'leave']]);
    for (const each of [three, two, one]) await each.end();
    await networks.remove('first');
  });
});
