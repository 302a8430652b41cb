import assert from 'node:assert/strict';
import test from 'node:test';
import { defaultDetachKeys, DetachScanner, parseDetachKeys } from './detach-keys.ts';

const type = (scanner: DetachScanner, ...bytes: number[]) => {
  const { pass, isDetached } = scanner.push(Uint8Array.from(bytes));
  return [[...pass], isDetached];
};

test('sequences are read as users write them', () => {
  assert.deepEqual(parseDetachKeys(''), defaultDetachKeys);
  assert.deepEqual(parseDetachKeys('ctrl-a,d,ctrl-],ctrl-@'), [1, 100, 29, 0]);
  assert.throws(() => parseDetachKeys('ctrl-aa'), /Unknown character: 'ctrl-aa'/);
});

test('the sequence detaches, also when it comes in pieces', () => {
  const scanner = new DetachScanner(defaultDetachKeys);
  assert.deepEqual(type(scanner, 97, 16), [[97], false]);
  assert.deepEqual(type(scanner, 17, 98), [[], true]);
});

test('what only begins like the sequence is passed on', () => {
  const scanner = new DetachScanner(defaultDetachKeys);
  assert.deepEqual(type(scanner, 16), [[], false]);
  assert.deepEqual(type(scanner, 98), [[16, 98], false]);
  assert.deepEqual(type(scanner, 16, 16, 17), [[16], true]);
});
