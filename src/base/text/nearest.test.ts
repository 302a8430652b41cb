import assert from 'node:assert/strict';
import test from 'node:test';
import { nearestName } from './nearest.ts';

test('the name that differs least, when it is near enough', () => {
  assert.equal(nearestName('FORM', ['RUN', 'FROM', 'FOAM']), 'FROM');
  assert.equal(nearestName('chwon', ['chmod', 'chown', 'link']), 'chown');
  assert.equal(nearestName('rnu', ['env', 'run']), 'run');
  assert.equal(nearestName('something', ['else', 'entirely']), undefined);
  assert.equal(nearestName('abc', ['abcdef'], 2), undefined);
  assert.equal(nearestName('x'.repeat(1_000_000), ['abc']), undefined);
});
