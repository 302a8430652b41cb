import assert from 'node:assert/strict';
import { test } from 'node:test';
import { splitVersion } from './versions.ts';

test('clients of API 1.22 may save and load images, nothing else, and not where the operator wants newer ones', () => {
  for (const path of ['/images/load', '/images/get', '/images/host/name/get']) {
    assert.deepEqual(splitVersion(`/v1.22${path}`), { minor: 24, path });
    assert.deepEqual(splitVersion(`/v1.23${path}`), { minor: 24, path });
    assert.throws(() => splitVersion(`/v1.21${path}`), /client version 1\.21 is too old/);
    assert.throws(() => splitVersion(`/v1.22${path}`, 25), /client version 1\.22 is too old/);
  }
  for (const path of ['/info', '/images/json', '/containers/get']) {
    assert.throws(() => splitVersion(`/v1.22${path}`), /client version 1\.22 is too old/);
  }
});
