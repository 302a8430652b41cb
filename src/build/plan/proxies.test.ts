import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyVariables } from './proxies.ts';

test('proxies are seen in both cases of letters, whatever case they are given in', () => {
  const args = new Map([
    ['Http_Proxy', 'http://one'],
    ['NO_PROXY', 'here'],
    ['ftp_proxy', ''],
    ['OTHER', 'x'],
  ]);
  assert.deepEqual(proxyVariables(args), [
    'HTTP_PROXY=http://one',
    'http_proxy=http://one',
    'NO_PROXY=here',
    'no_proxy=here',
  ]);
});
