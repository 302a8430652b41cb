import assert from 'node:assert/strict';
import test from 'node:test';
import { byNatural } from './natural.ts';

test('numbers in names are compared as numbers', () => {
  const names = ['web10', 'web2', 'web', 'db', 'web02x', 'web2a'];
  assert.deepEqual(names.sort(byNatural), ['db', 'web', 'web2', 'web2a', 'web02x', 'web10']);
});
