import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseExtraHost, renderHosts } from './hosts.ts';

describe('parseExtraHost', () => {
  it('takes all spellings', () => {
    assert.deepEqual(parseExtraHost('db:10.0.0.1'), { name: 'db', address: '10.0.0.1' });
    assert.deepEqual(parseExtraHost('db=10.0.0.1'), { name: 'db', address: '10.0.0.1' });
    assert.deepEqual(parseExtraHost('six:::1'), { name: 'six', address: '::1' });
    assert.deepEqual(parseExtraHost('six=[fe80::1]'), { name: 'six', address: 'fe80::1' });
    assert.deepEqual(parseExtraHost('me:host-gateway'), { name: 'me', address: 'host-gateway' });
  });
  for (const bad of [
    '',
    'x',
    ':1.2.3.4',
    'x:',
    'x:1.2.3',
    'x:1.2.3.400',
    'x:abc',
    'x:1.2.3.4\n5.6.7.8 evil',
    'x\n5.6.7.8 evil:1.2.3.4',
    'a b:1.2.3.4',
    'x\0:1.2.3.4',
    'a\tb=1.2.3.4',
  ]) {
    it(`refuses ${JSON.stringify(bad)}`, () => assert.throws(() => parseExtraHost(bad)));
  }
});

describe('what parseExtraHost says', () => {
  it('is short for a long entry', () => {
    const short = (error: Error): boolean => error.message.length < 300;
    assert.throws(() => parseExtraHost('x'.repeat(100_000)), short);
    assert.throws(() => parseExtraHost(`x:${'y'.repeat(100_000)}`), short);
  });
});

describe('renderHosts', () => {
  it('puts loopback first, then extra hosts, then the container', () => {
    const text = renderHosts(
      [{ address: '172.17.0.2', names: ['web.example', 'web'] }],
      ['gw:host-gateway'],
      ['172.17.0.1'],
    );
    const lines = text.trimEnd().split('\n');
    assert.equal(lines[0], '127.0.0.1\tlocalhost');
    assert.deepEqual(lines.slice(-2), ['172.17.0.1\tgw', '172.17.0.2\tweb.example web']);
  });
  it('needs a gateway for host-gateway', () => {
    assert.throws(() => renderHosts([], ['gw:host-gateway'], []), /host-gateway/);
  });
});
