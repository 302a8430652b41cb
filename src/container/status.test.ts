import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createdState, ended, started } from './state.ts';
import { describeState, roughDuration } from './status.ts';

describe('roughDuration', () => {
  const cases: readonly (readonly [number, string])[] = [
    [0.4, 'Less than a second'],
    [1, '1 second'],
    [45, '45 seconds'],
    [60, 'About a minute'],
    [119, 'About a minute'],
    [120, '2 minutes'],
    [3599, '59 minutes'],
    [3600, 'About an hour'],
    [5 * 3600, '5 hours'],
    [47 * 3600, '47 hours'],
    [48 * 3600, '2 days'],
    [15 * 86400, '2 weeks'],
    [65 * 86400, '2 months'],
    [800 * 86400, '2 years'],
  ];
  for (const [seconds, text] of cases) it(text, () => assert.equal(roughDuration(seconds), text));
});

it('describeState words each phase', () => {
  const s = 1_000_000_000n;
  const running = started(createdState, { pid: 1, pidStart: 1, startedNs: 10n * s });
  assert.equal(describeState(createdState, 99n * s), 'Created');
  assert.equal(describeState(running, 15n * s), 'Up 5 seconds');
  const exit = { code: 137, oomKilled: false, finishedNs: 20n * s };
  assert.equal(describeState(ended(running, exit, false), 140n * s), 'Exited (137) 2 minutes ago');
  assert.equal(describeState(ended(running, exit, true), 23n * s), 'Restarting (137) 3 seconds ago');
});
