import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addressOf,
  bytesOf,
  contains,
  formatAddress,
  formatPrefix,
  overlaps,
  parseAddress,
  parsePrefix,
  prefixOf,
} from './address.ts';

const address = (text: string) => parseAddress(text) ?? assert.fail(text);
const prefix = (text: string) => parsePrefix(text) ?? assert.fail(text);

test('addresses are read strictly and written back', () => {
  for (const text of ['0.0.0.0', '172.17.0.2', '255.255.255.255', '::', '::1', 'fd00:1::a:0:1', '1:2:3:4:5:6:7:8']) {
    assert.equal(formatAddress(address(text)), text);
    assert.deepEqual(addressOf(bytesOf(address(text))), address(text));
  }
  for (const text of [
    '',
    '1.2.3',
    '1.2.3.4.5',
    '256.0.0.1',
    '01.2.3.4',
    '1.2.3.',
    '1.2.3.-4',
    '0x1.2.3.4',
    ' 1.2.3.4',
    'fe80::1%eth0',
    '::1]/[',
    '1::2::3',
    '12345::',
    '1:2:3:4:5:6:7:8:9',
    ':::',
    '[::1]',
  ]) {
    assert.equal(parseAddress(text), undefined, text);
  }
});

test('addresses have one spelling', () => {
  assert.equal(formatAddress(address('2001:0DB8:0:0::1')), '2001:db8::1');
  assert.equal(formatAddress(address('::ffff:1.2.3.4')), '1.2.3.4');
  assert.equal(Buffer.from(bytesOf(address('2001:db8::a:1'))).toString('hex'), '20010db80000000000000000000a0001');
});

test('prefixes clear their host bits', () => {
  assert.equal(formatPrefix(prefix('172.17.5.9/16')), '172.17.0.0/16');
  assert.ok(contains(prefix('172.17.5.9/16'), address('172.17.255.255')));
  assert.ok(!contains(prefix('172.17.5.9/16'), address('172.18.0.0')));
  assert.equal(formatPrefix(prefix('fd00::1:2/64')), 'fd00::/64');
  assert.ok(!contains(prefix('::/0'), address('0.0.0.1')), 'families are apart');
  assert.equal(formatPrefix(prefixOf(address('10.1.2.3'), 8)), '10.0.0.0/8');
  for (const bad of ['172.17.0.0/33', '172.17.0.0/x', 'fd00::/129', '/8']) assert.equal(parsePrefix(bad), undefined);
});

test('a prefix overlaps what lies in it and what it lies in', () => {
  assert.ok(overlaps(prefix('10.0.0.0/8'), prefix('10.1.2.0/24')));
  assert.ok(overlaps(prefix('10.1.2.0/24'), prefix('10.0.0.0/8')));
  assert.ok(!overlaps(prefix('10.1.2.0/24'), prefix('10.1.3.0/24')));
});
