import assert from 'node:assert/strict';
import test from 'node:test';
import { formatEndpoint, parseEndpoint } from './endpoint.ts';

test('hosts are read as DOCKER_HOST spells them', () => {
  assert.deepEqual(parseEndpoint('unix:///run/x.sock'), { kind: 'unix', path: '/run/x.sock' });
  assert.deepEqual(parseEndpoint('tcp://h'), { kind: 'tcp', host: 'h', port: 2375 });
  assert.deepEqual(parseEndpoint('tcp://[::1]:99'), { kind: 'tcp', host: '::1', port: 99 });
  assert.deepEqual(parseEndpoint('https://h'), { kind: 'tcp', host: 'h', port: 2376, tls: { verify: true } });
  assert.equal(formatEndpoint(parseEndpoint('tcp://[::1]:99')), 'tcp://[::1]:99');
  assert.throws(() => parseEndpoint('foo://x'), /invalid bind address format: foo:\/\/x/);
  assert.throws(() => parseEndpoint('x'), /unable to parse docker host `x`/);
  assert.throws(() => parseEndpoint('ssh://u@h'), /ssh is not implemented yet/);
});
