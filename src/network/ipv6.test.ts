import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalIpv6, ipv6Bytes } from './ipv6.ts';

test('addresses have one spelling', () => {
  assert.equal(canonicalIpv6('2001:0DB8:0:0::1'), '2001:db8::1');
  assert.equal(canonicalIpv6('0:0:0:0:0:0:0:0'), '::');
  for (const text of ['', '1.2.3.4', 'fe80::1%eth0', ':::', '[::1]'])
    assert.equal(canonicalIpv6(text), undefined, text);
});

test('addresses as bytes', () => {
  const hex = (text: string) => Buffer.from(ipv6Bytes(text)).toString('hex');
  assert.equal(hex('::'), '0'.repeat(32));
  assert.equal(hex('::1'), `${'0'.repeat(31)}1`);
  assert.equal(hex('2001:db8::a:1'), '20010db80000000000000000000a0001');
  assert.equal(hex('1:2:3:4:5:6:7:8'), '00010002000300040005000600070008');
});
