import assert from 'node:assert/strict';
import { readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { closeNetNamespace, createNetNamespace, inNetNamespace } from './net.ts';

const skip = process.getuid?.() === 0 ? false : 'namespaces need root';
const current = () => readlinkSync('/proc/thread-self/ns/net');

test('a new network namespace is empty, and the thread comes home, also after an error', { skip }, () => {
  const before = current();
  const namespace = createNetNamespace();
  assert.equal(current(), before);
  const devices = inNetNamespace(namespace, () => {
    assert.notEqual(current(), before);
    return readFileSync('/proc/thread-self/net/dev', 'utf8');
  });
  const names = devices.split('\n').filter((line) => line.includes(':') && !line.includes('|'));
  assert.deepEqual(
    names.map((line) => line.trim().split(':')[0]),
    ['lo'],
  );
  assert.throws(() =>
    inNetNamespace(namespace, () => {
      throw new Error('inside');
    }),
  );
  assert.equal(current(), before);
  closeNetNamespace(namespace);
});
