import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RestartPolicy } from '../spec/engine/container.ts';
import { nextDelayMs, shouldRestart, shouldStartAtBoot } from './restart-policy.ts';

const policy = (Name: RestartPolicy['Name'], MaximumRetryCount = 0): RestartPolicy => ({ Name, MaximumRetryCount });
const run = { exitCode: 1, restartCount: 0, stoppedByUser: false };

describe('shouldRestart', () => {
  it('follows the policy', () => {
    assert.equal(shouldRestart(policy('no'), run), false);
    assert.equal(shouldRestart(policy(''), run), false);
    assert.equal(shouldRestart(policy('always'), { ...run, exitCode: 0 }), true);
    assert.equal(shouldRestart(policy('unless-stopped'), run), true);
    assert.equal(shouldRestart(policy('on-failure'), run), true);
    assert.equal(shouldRestart(policy('on-failure'), { ...run, exitCode: 0 }), false);
  });
  it('ends with the retry count, and with a stop by the user', () => {
    assert.equal(shouldRestart(policy('on-failure', 3), { ...run, restartCount: 2 }), true);
    assert.equal(shouldRestart(policy('on-failure', 3), { ...run, restartCount: 3 }), false);
    assert.equal(shouldRestart(policy('always'), { ...run, stoppedByUser: true }), false);
  });
});

describe('shouldStartAtBoot', () => {
  it('brings back `always` even after a stop, `unless-stopped` only without one', () => {
    const stopped = { ...run, stoppedByUser: true, wasUp: false };
    assert.equal(shouldStartAtBoot(policy('always'), stopped), true);
    assert.equal(shouldStartAtBoot(policy('unless-stopped'), stopped), false);
    assert.equal(shouldStartAtBoot(policy('unless-stopped'), { ...run, wasUp: true }), true);
    assert.equal(shouldStartAtBoot(policy('on-failure'), { ...run, wasUp: false }), false, 'it had ended before');
    assert.equal(shouldStartAtBoot(policy('on-failure'), { ...run, wasUp: true }), true);
  });
});

describe('nextDelayMs', () => {
  it('doubles up to a minute and starts again after a steady run', () => {
    const delays = [0];
    for (let i = 0; i < 12; i++) delays.push(nextDelayMs(delays.at(-1) ?? 0, 5));
    assert.deepEqual(delays.slice(1), [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000]);
    assert.equal(nextDelayMs(51200, 10_000), 100);
  });
});
