import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { newContainerId } from '../base/ids.ts';
import { silentLogger } from '../base/log.ts';
import type { OpenSandbox, SandboxRequest } from '../spec/contract/network.ts';
import type { EndpointSettings } from '../spec/engine/container.ts';
import { emptyEndpointSettings } from '../spec/engine/empty-config.ts';
import { processStartTime } from '../sys/process/pidfd.ts';
import { linkIndex } from '../sys/netlink/plug.ts';
import { Agent, enterLab, labSkip, memoryJournal } from './_lab.ts';
import { openNetworks } from './open.ts';

const config = { bridgeName: 'gantry0', tableName: 'gantry', interfacePrefix: 'gveth', networkPrefix: 'br-' };
const journal = memoryJournal();
const service = () => openNetworks(config, { journal, clock: systemClock, log: silentLogger });
const create = (Name: string, more: object = {}) => ({
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
const settings = (more: Partial<EndpointSettings> = {}): EndpointSettings => ({
  ...emptyEndpointSettings(),
  ...more,
});
const request = (name: string, networkMode: string, endpoints: SandboxRequest['endpoints'] = {}): SandboxRequest => ({
  containerId: newContainerId(),
  containerName: name,
  hostname: `${name}-host`,
  networkMode,
  endpoints,
  exposedPorts: [],
  portBindings: {},
  publishAll: false,
  sysctls: {},
  resolver: { dns: [], search: [], options: [] },
});
const running = ({ sandbox }: OpenSandbox, { pid }: Agent) => ({
  sandbox,
  process: { pid, start: processStartTime(pid) ?? 0 },
  resolver: { dns: [], search: [], options: [] },
});
const inside = async (open: OpenSandbox): Promise<Agent> => {
  const agent = await Agent.start(Number(open.namespacePath?.split('/').at(-1)));
  open.releasePath();
  return agent;
};

describe('user-defined networks, with packets', { skip: labSkip }, () => {
  let networks: Awaited<ReturnType<typeof service>>;
  before(async () => {
    enterLab();
    networks = await service();
    await networks.restore(new Map());
  });
  after(() => networks.shutdown());

  test('containers are called by their names of now', async () => {
    const first = await networks.create(create('first', { EnableIPv6: true }));
    await networks.create(create('second', { Internal: true }));
    const one = request('one', 'first', {
      first: settings({ Aliases: ['web'], Links: ['two:db'] }),
      second: settings(),
    });
    const two = request('two', 'first');
    const [openOne, openTwo] = [await networks.open(one), await networks.open(two)];
    const names = ['web', one.containerId.slice(0, 12), 'one-host'];
    assert.deepEqual(openOne.sandbox.endpoints['first']?.DNSNames, ['one', ...names]);
    const renamed = networks.renamed({ ...one, containerName: 'other' });
    assert.deepEqual(renamed?.endpoints['first']?.DNSNames, ['other', ...names]);
    openOne.releasePath();
    await networks.close(one.containerId);
    openTwo.releasePath();
    await networks.close(two.containerId);
    await networks.remove(first);
    await networks.remove('second');
    assert.equal(linkIndex(`br-${first.slice(0, 12)}`), 0);
  });

  test('a failing connection leaves the container as it was', async () => {
    await networks.create(create('left'));
    await networks.create(
      create('right', { IPAM: { Driver: '', Options: null, Config: [{ Subnet: '10.9.0.0/30' }] } }),
    );
    const [one, two] = [request('one', 'left'), request('two', 'right')];
    const [openOne, openTwo] = [await networks.open(one), await networks.open(two)];
    using agent = await inside(openOne);
    const process = { pid: agent.pid, start: processStartTime(agent.pid) ?? 0 };
    const connect = () => networks.connect(one, { nameOrId: 'right', settings: settings() }, process);
    await assert.rejects(connect(), { code: 'unavailable', message: /no available IPv4 addresses/ });
    openTwo.releasePath();
    await networks.close(two.containerId);
    await assert.rejects(networks.remove('left'), { code: 'forbidden', message: /has active endpoints \(name:"one"/ });
    // The address is free as soon as the other cable is gone, and that is waited for; one that is wanted by name as well.
    const changed = await connect();
    assert.deepEqual(Object.keys(changed.sandbox.endpoints), ['left', 'right']);
    await changed.undo();
    const IPAMConfig = { IPv4Address: changed.sandbox.endpoints['right']?.IPAddress ?? '' };
    const again = await networks.connect(one, { nameOrId: 'right', settings: settings({ IPAMConfig }) }, process);
    assert.equal(again.sandbox.endpoints['right']?.IPAddress, IPAMConfig.IPv4Address);
    await again.undo();
    const { Containers } = await networks.inspect('right', { verbose: false, scope: '' });
    assert.ok(!(one.containerId in Containers));
    await networks.close(one.containerId);
    agent[Symbol.dispose]();
    for (const name of ['left', 'right']) await networks.remove(name);
  });

  test('networks are there again after a restart, with their bridges and addresses', async () => {
    await networks.create(create('lasting', { Labels: { a: 'b' } }));
    const before = await networks.inspect('lasting', { verbose: false, scope: '' });
    const one = request('one', 'lasting');
    const open = await networks.open(one);
    using agent = await inside(open);
    await networks.shutdown();
    networks = await service();
    await networks.restore(new Map([[one.containerId, running(open, agent)]]));
    const { Containers, Status: _status, ...after } = await networks.inspect('lasting', { verbose: false, scope: '' });
    const { Containers: _none, Status: _before, ...expected } = before;
    assert.deepEqual(after, expected);
    assert.deepEqual(Object.keys(Containers), [one.containerId]);
    const next = await networks.open(request('next', 'lasting'));
    assert.notEqual(next.sandbox.endpoints['lasting']?.IPAddress, open.sandbox.endpoints['lasting']?.IPAddress);
  });
});
