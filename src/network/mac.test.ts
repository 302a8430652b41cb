import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress, parseAddress } from '../base/address.ts';
import { formatMac, linkLocalOf, macOf, parseMac } from './mac.ts';

test('hardware addresses', () => {
  assert.equal(formatMac(macOf(parseAddress('172.17.0.2'))), '02:42:ac:11:00:02');
  assert.match(formatMac(macOf(undefined)), /^02:42(:[0-9a-f]{2}){4}$/);
  assert.deepEqual(parseMac('02-42-AC-11-00-02'), macOf(parseAddress('172.17.0.2')));
  const own = linkLocalOf(macOf(parseAddress('172.17.0.2')));
  assert.equal(formatAddress(own), 'fe80::42:acff:fe11:2');
  for (const text of ['', '02:42:ac:11:00', '02:42:ac:11:00:0g', '02:42:ac:11:00:002']) {
    assert.equal(parseMac(text), undefined, text);
  }
});
