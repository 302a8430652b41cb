import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dropOldest } from './oldest.ts';

test('what was put in first goes, and only as much as has to', () => {
  const map = new Map([
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ]);
  // What is put in again is new.
  map.delete('a');
  map.set('a', 4);
  dropOldest(map, 2);
  assert.deepEqual([...map.keys()], ['c', 'a']);
  dropOldest(map, 2);
  assert.equal(map.size, 2);
  dropOldest(map, 0);
  assert.equal(map.size, 0);
});
