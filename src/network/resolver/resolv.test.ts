import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  containerResolvConf,
  forwardingOf,
  isResolvedStub,
  isUnedited,
  servedResolvConf,
  withDefaults,
} from './resolv.ts';

const none = { dns: [], search: [], options: [] };
const lines = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));

test('servers on the loopback and IPv6 ones are left out', () => {
  const host =
    '# mine\nnameserver 127.0.0.53\nnameserver\t192.0.2.53\nnameserver 2001:db8::1\nsearch a.test b.test\noptions edns0\n';
  assert.deepEqual(lines(containerResolvConf(host, none, false)), [
    'nameserver 192.0.2.53',
    'search a.test b.test',
    'options edns0',
  ]);
});

test('a host without usable servers gives Docker’s public ones', () => {
  assert.deepEqual(lines(containerResolvConf('nameserver 127.0.0.1\n', none, false)), [
    'nameserver 8.8.8.8',
    'nameserver 8.8.4.4',
  ]);
});

test('the container’s own settings replace the host’s part of their kind', () => {
  const host = 'nameserver 192.0.2.53\nsearch a.test\noptions edns0\n';
  const own = { dns: ['192.0.2.1', '127.0.0.1'], search: ['.'], options: ['ndots:2', 'rotate'] };
  assert.deepEqual(lines(containerResolvConf(host, own, false)), [
    'nameserver 192.0.2.1',
    'nameserver 127.0.0.1',
    'options ndots:2 rotate',
  ]);
});

test('in the namespace of the host the file stays as it is', () => {
  const host = '# mine\nnameserver 127.0.0.53\n';
  assert.equal(containerResolvConf(host, none, true), host);
  assert.deepEqual(lines(containerResolvConf(host, { ...none, search: ['x.test'] }, true)), [
    'nameserver 127.0.0.53',
    'search x.test',
  ]);
  assert.ok(isResolvedStub(host));
  assert.ok(!isResolvedStub('nameserver 127.0.0.53\nnameserver 192.0.2.1\n'));
});

test('a container with a name server asks only that, which passes on to the host’s or the container’s own', () => {
  const host = 'nameserver 127.0.0.53\nnameserver 192.0.2.53\nsearch a.test\noptions edns0 ndots:x\n';
  assert.deepEqual(lines(servedResolvConf(host, none)), [
    'nameserver 127.0.0.11',
    'search a.test',
    'options edns0 ndots:0',
  ]);
  const from = 'host' as const;
  assert.deepEqual(forwardingOf(host, none), {
    upstreams: [
      { address: '127.0.0.53', from },
      { address: '192.0.2.53', from },
    ],
    dotted: false,
  });
  const own = { dns: ['127.0.0.11', '192.0.2.1'], search: ['.'], options: ['ndots:2'] };
  assert.deepEqual(lines(servedResolvConf(host, own)), ['nameserver 127.0.0.11', 'options ndots:2']);
  assert.deepEqual(forwardingOf(host, own), { upstreams: [{ address: '192.0.2.1', from: 'container' }], dotted: true });
  assert.deepEqual(withDefaults(none, own), own);
});

test('a file that somebody edited can be told', () => {
  const text = servedResolvConf('', none);
  assert.ok(isUnedited(text));
  for (const edited of [`${text}nameserver 192.0.2.1\n`, text.replace('0.11', '0.12'), 'nameserver 192.0.2.1\n', '']) {
    assert.ok(!isUnedited(edited));
  }
});
