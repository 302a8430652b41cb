import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bytesOf,
  contains,
  formatIpv4,
  formatMac,
  formatPrefix,
  ipv4Of,
  macOf,
  overlaps,
  parseIpv4,
  parseMac,
  parsePrefix,
} from './ipv4.ts';

test('addresses are read strictly and written back', () => {
  for (const text of ['0.0.0.0', '172.17.0.2', '255.255.255.255']) {
    assert.equal(formatIpv4(parseIpv4(text) ?? -1), text);
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
  ]) {
    assert.equal(parseIpv4(text), undefined, text);
  }
  assert.equal(ipv4Of(bytesOf(0xac110002)), 0xac110002);
});

test('prefixes clear their host bits', () => {
  const prefix = parsePrefix('172.17.5.9/16');
  assert.ok(prefix !== undefined);
  assert.equal(formatPrefix(prefix), '172.17.0.0/16');
  assert.ok(contains(prefix, parseIpv4('172.17.255.255') ?? 0));
  assert.ok(!contains(prefix, parseIpv4('172.18.0.0') ?? 0));
  assert.equal(parsePrefix('172.17.0.0/33'), undefined);
  assert.equal(parsePrefix('172.17.0.0/x'), undefined);
});

test('a prefix overlaps what lies in it and what it lies in', () => {
  const of = (text: string) => parsePrefix(text) ?? assert.fail(text);
  assert.ok(overlaps(of('10.0.0.0/8'), of('10.1.2.0/24')));
  assert.ok(overlaps(of('10.1.2.0/24'), of('10.0.0.0/8')));
  assert.ok(!overlaps(of('10.1.2.0/24'), of('10.1.3.0/24')));
});

test('hardware addresses', () => {
  assert.equal(formatMac(macOf(parseIpv4('172.17.0.2') ?? 0)), '02:42:ac:11:00:02');
  assert.deepEqual(parseMac('02-42-AC-11-00-02'), macOf(0xac110002));
  for (const text of ['', '02:42:ac:11:00', '02:42:ac:11:00:0g', '02:42:ac:11:00:002']) {
    assert.equal(parseMac(text), undefined, text);
  }
});
