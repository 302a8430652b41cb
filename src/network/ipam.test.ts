import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressPool } from './ipam.ts';
import { formatAddress, formatPrefix, parseAddress, parsePrefix } from '../base/address.ts';
import { chooseSubnet, defaultAddressSpaces, localSpace } from './subnets.ts';

const subnet = (text: string) => parsePrefix(text) ?? assert.fail(text);
const address = (text: string) => parseAddress(text) ?? assert.fail(text);

test('the lowest free address is given out, never network, gateway or broadcast', () => {
  const pool = new AddressPool(subnet('10.0.0.0/29'), [address('10.0.0.1')]);
  const all = Array.from({ length: 5 }, () => formatAddress(pool.allocate()));
  assert.deepEqual(all, ['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6']);
  assert.throws(() => pool.allocate(), {
    code: 'unavailable',
    message: /no available IPv4 addresses.*10\.0\.0\.0\/29/,
  });
  pool.release(address('10.0.0.4'));
  pool.release(address('10.0.0.4'));
  assert.equal(formatAddress(pool.allocate()), '10.0.0.4');
  assert.throws(() => pool.allocate(), { code: 'unavailable' });
});

test('an address can be claimed once, and only in its subnet', () => {
  const pool = new AddressPool(subnet('10.0.0.0/24'), [address('10.0.0.1')]);
  pool.claim(address('10.0.0.2'));
  assert.equal(formatAddress(pool.allocate()), '10.0.0.3');
  assert.throws(() => pool.claim(address('10.0.0.2')), { code: 'forbidden', message: 'Address already in use' });
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

test('a range gives addresses out, the rest of the subnet only on demand', () => {
  const pool = new AddressPool(
    subnet('10.0.0.0/24'),
    [address('10.0.0.1'), address('10.0.0.129')],
    subnet('10.0.0.128/25'),
  );
  assert.equal(formatAddress(pool.allocate()), '10.0.0.128');
  assert.equal(formatAddress(pool.allocate()), '10.0.0.130');
  pool.claim(address('10.0.0.9'));
  assert.deepEqual(pool.counts, { used: 7n, available: 124n });
});

test('IPv6 subnets and the smallest IPv4 ones', () => {
  const pool = new AddressPool(subnet('fd00:1::/64'), [address('fd00:1::1')]);
  assert.equal(formatAddress(pool.allocate()), 'fd00:1::2');
  assert.equal(formatAddress(new AddressPool(subnet('10.0.0.0/31'), []).allocate()), '10.0.0.0');
  assert.equal(formatAddress(new AddressPool(subnet('10.0.0.4/32'), []).allocate()), '10.0.0.4');
});

test('an engine has local IPv6 addresses of its own', () => {
  const spaces = [localSpace('one')];
  const first = chooseSubnet(spaces, [], 6);
  assert.match(formatPrefix(first), /^fd[0-9a-f]{2}:[0-9a-f:]+::\/64$/);
  assert.notDeepEqual(localSpace('two'), localSpace('one'));
  const next = chooseSubnet(spaces, [first], 6);
  assert.equal(next.base - first.base, 1n << 64n);
  assert.throws(() => chooseSubnet(spaces, [subnet('fd00::/8')], 6), { code: 'invalid' });
  assert.equal(
    formatPrefix(chooseSubnet([{ base: subnet('10.0.0.0/8'), length: 30 }], [subnet('10.0.0.0/9')])),
    '10.128.0.0/30',
  );
});
