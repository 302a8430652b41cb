import assert from 'node:assert/strict';
import test from 'node:test';
import type { EventInput } from '../spec/engine/event.ts';
import { matchesEvent } from './filter.ts';

const started: EventInput = {
  type: 'container',
  action: 'exec_start: sh -c true',
  actorId: 'abcdef',
  attributes: { name: 'web', image: 'busybox:latest', tier: 'front', empty: '' },
};
const tagged: EventInput = {
  type: 'image',
  action: 'tag',
  actorId: 'sha256:0123',
  attributes: { name: 'localhost:5000/app:v1' },
};

const cases: [EventInput, Record<string, string[]>, boolean][] = [
  [started, {}, true],
  [started, { type: ['container'] }, true],
  [started, { type: ['image', 'container'] }, true],
  [started, { type: ['image'] }, false],
  [started, { event: ['exec_start'] }, true],
  [started, { event: ['exec_create', 'exec_start: sh -c true'] }, true],
  [started, { event: ['exec'] }, false],
  [started, { event: ['start'] }, false],
  [started, { container: ['web'] }, true],
  [started, { container: ['abc'] }, true],
  [started, { container: ['bcd'] }, false],
  [tagged, { container: ['web'] }, false],
  [started, { image: ['busybox'] }, true],
  [started, { image: ['busybox:latest'] }, true],
  [started, { image: ['busy'] }, false],
  [tagged, { image: ['localhost:5000/app'] }, true],
  [tagged, { image: ['localhost'] }, false],
  [started, { label: ['tier'] }, true],
  [started, { label: ['tier=front', 'empty='] }, true],
  [started, { label: ['tier=front', 'tier=back'] }, false],
  [started, { label: ['toString'] }, false],
  [started, { scope: ['local'] }, true],
  [started, { scope: ['swarm'] }, false],
  [started, { type: ['container'], container: ['db'] }, false],
];

test('events are chosen by the rules that docker events --filter has', () => {
  for (const [event, filters, expected] of cases) {
    assert.equal(matchesEvent(new Map(Object.entries(filters)), event), expected, JSON.stringify(filters));
  }
});
