import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { httpTarget, tcpTarget } from './target.ts';

describe('the target of a probe', () => {
  it('is a URL of localhost or an address', () => {
    assert.deepEqual(httpTarget(['http://localhost:8080/health?a=b#c']), {
      kind: 'http',
      secure: false,
      addresses: ['127.0.0.1', '::1'],
      port: 8080,
      authority: 'localhost:8080',
      path: '/health?a=b',
    });
    const secure = httpTarget(['https://[::1]']);
    assert.deepEqual([secure.port, secure.addresses], [443, ['::1']]);
    assert.deepEqual(httpTarget(['http://10.0.0.1']).addresses, ['10.0.0.1']);
  });

  it('is a port, with an address when it is not localhost', () => {
    assert.deepEqual(tcpTarget(['5432']), { kind: 'tcp', addresses: ['127.0.0.1', '::1'], port: 5432 });
    assert.deepEqual(tcpTarget(['127.0.0.2:1']).addresses, ['127.0.0.2']);
    assert.deepEqual(tcpTarget(['[::1]:65535']).addresses, ['::1']);
    assert.deepEqual(tcpTarget(['localhost:80']).addresses, ['127.0.0.1', '::1']);
  });

  it('names what is wrong', () => {
    const bad: [string[], RegExp][] = [
      [[], /exactly one URL/],
      [['http://localhost', 'x'], /exactly one URL/],
      [['localhost'], /it is no URL/],
      [['ftp://localhost/'], /must begin with http/],
      [['http://user:word@localhost/'], /must not carry a user/],
      [['http://example.com/'], /localhost or an IP address/],
      [['http://localhost:0/'], /1 to 65535/],
      [['http://localhost:99999/'], /it is no URL/],
    ];
    for (const [words, message] of bad) assert.throws(() => httpTarget(words), message);
    for (const text of ['0', '65536', 'x', '', '1.2.3.4', '-1']) assert.throws(() => tcpTarget([text]), /1 to 65535/);
    for (const text of ['db:1', '1.2.3.400:1', '::1:1', ':1']) {
      assert.throws(() => tcpTarget([text]), /localhost or an IP address/);
    }
    assert.throws(() => tcpTarget([]), /exactly one/);
  });
});
