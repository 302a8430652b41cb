import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetworkId } from '../base/ids.ts';
import { decodeNetworkRecord, type NetworkDefinition, type NetworkRecord } from './record.ts';
import { filterNetworks, findNetwork, networkView } from './view.ts';

const id = (digit: string) => digit.repeat(64) as NetworkId;
const definition: NetworkDefinition = {
  ipv4: true,
  ipv6: false,
  internal: false,
  attachable: false,
  configOnly: false,
  configFrom: '',
  ipam: { Driver: 'default', Options: null, Config: null },
  options: {},
  labels: {},
  pools: [],
};
const records: NetworkRecord[] = [
  { id: id('a'), name: 'bridge', driver: 'bridge', createdNs: '1', subnet: '172.17.0.0/16', gateway: '172.17.0.1' },
  { id: id('b'), name: 'host', driver: 'host', createdNs: '2' },
  { id: `a${'c'.repeat(63)}` as NetworkId, name: 'mine', driver: 'bridge', createdNs: '3', definition },
];
const views = records.map((record) =>
  networkView(record, { name: 'gantry0', mtu: 1500, masquerade: true, icc: true, hostIp: '0.0.0.0' }, {}),
);

const names = (filters: Record<string, string[]>) =>
  filterNetworks(views, new Map(Object.entries(filters))).map(({ Name }) => Name);

test('filters select as Docker’s do', () => {
  assert.deepEqual(names({}), ['bridge', 'host', 'mine']);
  assert.deepEqual(names({ name: ['i'] }), ['bridge', 'mine']);
  assert.deepEqual(names({ name: ['^mine$', '^ho'] }), ['host', 'mine']);
  assert.deepEqual(names({ id: ['bbb'] }), ['host']);
  assert.deepEqual(names({ driver: ['bridge'], type: ['custom'] }), ['mine']);
  assert.deepEqual(names({ type: ['builtin'] }), ['bridge', 'host']);
  assert.deepEqual(names({ dangling: ['true'] }), ['mine']);
  assert.deepEqual(names({ dangling: ['false'] }), ['bridge', 'host']);
  assert.deepEqual(names({ scope: ['swarm'] }), []);
  assert.deepEqual(names({ label: ['x'] }), []);
  for (const bad of [{ color: ['red'] }, { type: ['x'] }, { dangling: ['maybe'] }]) {
    assert.throws(() => names(bad), { code: 'invalid' });
  }
});

test('a network is found by id, name, and beginning of an id', () => {
  assert.equal(findNetwork(records, id('b'))?.name, 'host');
  assert.equal(findNetwork(records, 'mine')?.name, 'mine');
  assert.equal(findNetwork(records, 'ac')?.name, 'mine');
  assert.equal(findNetwork(records, 'nope'), undefined);
  assert.equal(findNetwork(records, ''), undefined);
  assert.throws(() => findNetwork(records, 'a'), { code: 'invalid', message: /ambiguous \(2 matches/ });
});

test('the default network shows its bridge and addresses', () => {
  const view = views[0];
  assert.deepEqual(view?.IPAM.Config, [{ Subnet: '172.17.0.0/16', Gateway: '172.17.0.1' }]);
  assert.equal(view?.Options['com.docker.network.bridge.name'], 'gantry0');
  assert.equal(view?.Created, '1970-01-01T00:00:00.000000001Z');
});

test('damaged records are seen', () => {
  assert.deepEqual(decodeNetworkRecord(records[0]), records[0]);
  for (const bad of [null, 'x', {}, { ...records[0], id: 'short' }, { ...records[0], driver: 'vxlan' }]) {
    assert.equal(decodeNetworkRecord(bad), undefined);
  }
});
