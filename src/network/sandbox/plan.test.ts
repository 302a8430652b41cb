import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetworkId } from '../../base/ids.ts';
import type { NetworkRecord } from '../record.ts';
import { emptyEndpoint, planSandbox } from './plan.ts';

const network = (name: string, driver: NetworkRecord['driver']): NetworkRecord => ({
  id: name.padEnd(64, '0') as NetworkId,
  name,
  driver,
  createdNs: '0',
});
const networks = [network('bridge', 'bridge'), network('host', 'host'), network('none', 'null')];
const empty = {
  networkMode: 'default',
  endpoints: {},
  exposedPorts: [],
  portBindings: {},
  publishAll: false,
  sysctls: {},
};
const plan = (wish: Partial<typeof empty> | object) =>
  planSandbox({ ...empty, ...wish }, { find: (name) => networks.find((one) => one.name === name), proxy: false });
const endpoint = emptyEndpoint(network('bridge', 'bridge'), '');

test('the mode names the network', () => {
  assert.equal(plan({}).kind, 'networks');
  assert.equal(plan({ networkMode: 'bridge', endpoints: { default: endpoint } }).kind, 'networks');
  assert.equal(plan({ networkMode: 'none' }).kind, 'none');
  assert.equal(
    plan({ networkMode: 'host', portBindings: { '80/tcp': [{ HostIp: '', HostPort: '80' }] } }).kind,
    'host',
  );
  assert.throws(() => plan({ networkMode: 'mine' }), { code: 'not-found', message: /: network mine not found$/ });
  assert.throws(() => plan({ endpoints: { host: endpoint } }), { code: 'invalid' });
});

test('the default network refuses what only user-defined ones can', () => {
  const refuses = (settings: object, message: RegExp) =>
    assert.throws(() => plan({ endpoints: { bridge: { ...endpoint, ...settings } } }), { code: 'invalid', message });
  refuses({ IPAMConfig: { IPv4Address: '172.17.0.9' } }, /user specified IP address/);
  refuses({ Aliases: ['db'] }, /network-scoped aliases/);
  refuses({ MacAddress: '02:42:ac:11:00' }, /not a valid mac address/);
  refuses({ MacAddress: '01:00:5e:00:00:01' }, /not a valid mac address/);
});

test('sysctls are of the network, and never of the host', () => {
  const sysctls = { 'net.ipv4.conf.eth0.forwarding': '1', 'net/ipv4/conf/eth0.1/forwarding': '1' };
  assert.equal(plan({ sysctls }).kind, 'networks');
  assert.throws(() => plan({ networkMode: 'host', sysctls }), {
    code: 'invalid',
    message: /not allowed in host network/,
  });
  for (const name of ['kernel.panic', 'net', 'net.', 'net/../kernel/panic', 'net..x', 'network.x', 'net.a b']) {
    assert.throws(() => plan({ sysctls: { [name]: '1' } }), { code: 'invalid' }, name);
  }
});
