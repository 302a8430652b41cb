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
  assert.deepEqual(parseEndpoint('ssh://h'), { kind: 'ssh', host: 'h' });
  const far = { kind: 'ssh', user: 'me', host: '::1', port: 22, path: '/run/x.sock' };
  assert.deepEqual(parseEndpoint('ssh://me@[::1]:22/run/x.sock'), far);
  assert.equal(formatEndpoint(parseEndpoint('ssh://me@[::1]:22/run/x.sock')), 'ssh://me@[::1]:22/run/x.sock');
  for (const bad of [
    'ssh://',
    'ssh://u:p@h',
    'ssh://-oProxyCommand=x',
    'ssh://-x@h',
    'ssh://h:0',
    "ssh://h/a'b",
    'ssh://@h',
  ]) {
    assert.throws(() => parseEndpoint(bad), /invalid ssh URL/, bad);
  }
});
