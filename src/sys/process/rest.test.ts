import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookAtRest } from './rest.ts';

const mib = 1 << 20;

test('a heap is collected once when it has grown and its thread rests', () => {
  const state = { busy: 0.5, size: 20 * mib, collected: 0 };
  const look = lookAtRest({
    busy: () => state.busy,
    size: () => state.size,
    collect() {
      state.collected++;
      state.size = 12 * mib;
    },
  });
  assert.equal(look(), false, 'it is busy');
  state.busy = 0.01;
  assert.equal(look(), true);
  assert.equal(look(), false, 'nothing has grown');
  state.size = 17 * mib;
  assert.equal(look(), false, 'too little has grown');
  state.size = 18 * mib;
  state.busy = 0.03;
  assert.equal(look(), false, 'it is busy again');
  state.busy = 0;
  assert.equal(look(), true);
  assert.equal(state.collected, 2);
});
