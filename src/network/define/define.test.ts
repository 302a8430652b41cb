import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetworkId } from '../../base/ids.ts';
import { parsePrefix, type Prefix } from '../../base/address.ts';
import type { CreateNetworkRequest } from '../../spec/engine/network.ts';
import type { NetworkRecord } from '../record.ts';
import { defaultAddressSpaces, localSpace } from '../subnets.ts';
import { defineNetwork, type Surroundings } from './define.ts';

const prefix = (text: string): Prefix => parsePrefix(text) ?? assert.fail(text);
const request: CreateNetworkRequest = {
  Name: 'net',
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
};
const around: Surroundings = {
  networks: [],
  subnets: [],
  hostPrefixes: () => [],
  spaces: [...defaultAddressSpaces, localSpace('seed')],
  defaultOptions: {},
  bridgeName: ({ definition }) => definition?.options['com.docker.network.bridge.name'] ?? 'br',
  createdNs: '1',
};
const define = (wish: Partial<CreateNetworkRequest>, more: Partial<Surroundings> = {}): NetworkRecord =>
  defineNetwork({ ...request, ...wish }, { ...around, ...more });
const pools = (record: NetworkRecord) => record.definition?.pools.map(({ subnet, gateway }) => [subnet, gateway]);
const config = (...Config: object[]): Partial<CreateNetworkRequest> => ({ IPAM: { ...request.IPAM, Config } });

test('subnets keep away from other networks, and chosen ones from the host', () => {
  assert.deepEqual(pools(define({})), [['172.17.0.0/16', '172.17.0.1']]);
  const hostPrefixes = () => [prefix('172.18.5.0/24')];
  assert.deepEqual(pools(define({}, { subnets: [prefix('172.17.0.0/16')], hostPrefixes })), [
    ['172.19.0.0/16', '172.19.0.1'],
  ]);
  assert.deepEqual(pools(define(config({ Subnet: '172.18.0.0/16' }), { hostPrefixes })), [
    ['172.18.0.0/16', '172.18.0.1'],
  ]);
  const spaces = [{ base: prefix('10.0.0.0/30'), length: 31 }];
  const used = { spaces, subnets: [prefix('10.0.0.0/31'), prefix('10.0.0.2/31')] };
  assert.throws(() => define({}, used), {
    code: 'invalid',
    message: 'all predefined address pools have been fully subnetted',
  });
});

test('both families, each with a gateway', () => {
  const both = define({ EnableIPv6: true, ...config({ Subnet: 'fd00:1::/64' }) });
  assert.deepEqual(pools(both), [
    ['172.17.0.0/16', '172.17.0.1'],
    ['fd00:1::/64', 'fd00:1::1'],
  ]);
  const only = define({ EnableIPv4: false, EnableIPv6: true });
  assert.match(String(pools(only)), /^fd[0-9a-f]{2}:[0-9a-f:]+::\/64,fd[0-9a-f:]+::1$/);
  assert.deepEqual(pools(define(config({ Subnet: 'fd00:1::/64' }))), [['172.17.0.0/16', '172.17.0.1']]);
});

test('the gateway is the first address that is not taken', () => {
  const aux = { a: '10.1.0.1', b: '10.1.0.2' };
  assert.deepEqual(pools(define(config({ Subnet: '10.1.0.0/24', AuxiliaryAddresses: aux }))), [
    ['10.1.0.0/24', '10.1.0.3'],
  ]);
  const wish = { Subnet: '10.1.0.0/24', IPRange: '10.1.0.128/25' };
  assert.deepEqual(pools(define(config(wish))), [['10.1.0.0/24', '10.1.0.128']]);
  for (const Gateway of ['10.1.0.0', '10.1.0.255']) {
    assert.throws(() => define(config({ Subnet: '10.1.0.0/24', Gateway })), { message: /failed to allocate gateway/ });
  }
});

test('what no network can have as its subnet', () => {
  for (const Subnet of ['127.0.0.0/24', '224.0.0.0/24', '0.0.0.0/0', 'ff02::/64', 'fe80::/80', '::/0']) {
    assert.throws(() => define({ EnableIPv6: true, ...config({ Subnet }) }), { code: 'invalid' }, Subnet);
  }
});

test('macvlan networks may have several subnets, and a gateway only when somebody names one', () => {
  const wish = config({ Subnet: '10.1.0.0/24', Gateway: '10.1.0.1' }, { Subnet: '10.2.0.0/24' });
  const record = define({ Driver: 'macvlan', Options: { parent: 'eth0' }, ...wish });
  assert.deepEqual(pools(record), [
    ['10.1.0.0/24', '10.1.0.1'],
    ['10.2.0.0/24', undefined],
  ]);
});

test('the operator’s options are there unless the request says otherwise', () => {
  const defaultOptions = {
    bridge: { 'com.docker.network.driver.mtu': '1400', 'com.docker.network.enable_ipv6': 'true' },
  };
  const record = define({ Options: { 'com.docker.network.driver.mtu': '1300' } }, { defaultOptions });
  assert.equal(record.definition?.options['com.docker.network.driver.mtu'], '1300');
  assert.equal(record.definition?.ipv6, true);
});

test('names that are taken, and user keys that mean something in JavaScript', () => {
  const other = { ...define({}), id: '0'.repeat(64) as NetworkId };
  assert.throws(() => define({}, { networks: [other] }), { code: 'conflict' });
  assert.throws(() => define({ Name: 'two' }, { networks: [other] }), {
    code: 'forbidden',
    message: /same bridge name/,
  });
  const options = JSON.parse('{"__proto__": "x"}') as Record<string, string>;
  assert.throws(() => define({ Options: options }), { code: 'invalid', message: /unknown option "__proto__"/ });
  assert.throws(() => define({ Driver: 'constructor' }), { code: 'not-found' });
});
