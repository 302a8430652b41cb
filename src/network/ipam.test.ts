import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressPool } from './ipam.ts';
import { formatIpv4, formatPrefix, parseIpv4, parsePrefix } from './ipv4.ts';
import { chooseSubnet, defaultAddressSpaces } from './subnets.ts';

const subnet = (text: string) => parsePrefix(text) ?? assert.fail(text);
const address = (text: string) => parseIpv4(text) ?? assert.fail(text);

test('the lowest free address is given out, never network, gateway or broadcast', () => {
  const pool = new AddressPool(subnet('10.0.0.0/29'), [address('10.0.0.1')]);
  const all = Array.from({ length: 5 }, () => formatIpv4(pool.allocate()));
  assert.deepEqual(all, ['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6']);
  assert.throws(() => pool.allocate(), {
    code: 'unavailable',
    message: /no available IPv4 addresses.*10\.0\.0\.0\/29/,
  });
  pool.release(address('10.0.0.4'));
  pool.release(address('10.0.0.4'));
  assert.equal(formatIpv4(pool.allocate()), '10.0.0.4');
  assert.throws(() => pool.allocate(), { code: 'unavailable' });
});

test('an address can be claimed once, and only in its subnet', () => {
  const pool = new AddressPool(subnet('10.0.0.0/24'), [address('10.0.0.1')]);
  pool.claim(address('10.0.0.2'));
  assert.equal(formatIpv4(pool.allocate()), '10.0.0.3');
  assert.throws(() => pool.claim(address('10.0.0.2')), { code: 'conflict', message: 'Address already in use' });
  assert.throws(() => pool.claim(address('10.0.1.2')), { code: 'invalid' });
});

test('the default network is 172.17.0.0/16 unless the host uses it', () => {
  const choose = (...used: string[]) => formatPrefix(chooseSubnet(defaultAddressSpaces, used.map(subnet)));
  assert.equal(choose(), '172.17.0.0/16');
  assert.equal(choose('172.17.5.0/24'), '172.18.0.0/16');
  assert.equal(choose('172.16.0.0/12'), '192.168.0.0/20');
  assert.equal(choose('172.16.0.0/12', '192.168.1.0/24'), '192.168.16.0/20');
  assert.throws(() => choose('172.16.0.0/12', '192.168.0.0/16'), /fully subnetted/);
});
