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
import { emptyEndpointSettings } from '../spec/engine/empty-config.ts';
import { processStartTime } from '../sys/process/pidfd.ts';
import { enterLab, labSkip, memoryJournal } from './_lab.ts';
import { openNetworks } from './open.ts';
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
const service = () => openNetworks(config, { journal, clock: systemClock, log: silentLogger });
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
});
