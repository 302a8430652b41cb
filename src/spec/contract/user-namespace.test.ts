import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostId, insideId, overflowId, rootOwner } from './user-namespace.ts';

const ranges = [
  { inside: 0, outside: 100_000, size: 1000 },
  { inside: 1000, outside: 1000, size: 1 },
  { inside: 1001, outside: 101_000, size: 64_535 },
];

test('ids go to the host and back', () => {
  for (const [inside, outside] of [
    [0, 100_000],
    [999, 100_999],
    [1000, 1000],
    [1001, 101_000],
    [65_535, 165_534],
  ] as const) {
    assert.equal(hostId(ranges, inside), outside);
    assert.equal(insideId(ranges, outside), inside);
  }
  assert.deepEqual(rootOwner({ uids: ranges, gids: ranges }), { uid: 100_000, gid: 100_000 });
});

test('an id of no range has none on the other side', () => {
  assert.equal(hostId(ranges, 65_536), undefined);
  assert.equal(insideId(ranges, 0), overflowId);
  assert.equal(insideId(ranges, 165_535), overflowId);
});
