import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { emptyContainerConfig } from '../../spec/engine/empty-config.ts';
import { CheckOutput } from './output.ts';
import { healthSettings } from './settings.ts';
import { beginningHealth, type CheckResult, judged, viewHealth } from './state.ts';

const check = (exitCode: number, atMs = 0): CheckResult => ({
  startNs: BigInt(atMs) * 1_000_000n,
  endNs: BigInt(atMs + 1) * 1_000_000n,
  exitCode,
  output: String(atMs),
});
const settings = { retries: 2, startPeriodMs: 1000 };

describe('the health of a container', () => {
  it('turns with the first success and with as many failures in a row as it may have', () => {
    let health = judged(beginningHealth(undefined), check(0), settings, 0n);
    assert.equal(health.status, 'healthy');
    health = judged(health, check(1, 10), settings, 0n);
    assert.deepEqual([health.status, health.failingStreak], ['healthy', 1]);
    health = judged(health, check(-1, 20), settings, 0n);
    assert.deepEqual([health.status, health.failingStreak], ['unhealthy', 2]);
    health = judged(health, check(0, 30), settings, 0n);
    assert.deepEqual([health.status, health.failingStreak], ['healthy', 0]);
  });

  it('forgives failures that begin in the start period until the first success', () => {
    let health = beginningHealth(undefined);
    for (const at of [0, 500, 999]) health = judged(health, check(1, at), settings, 0n);
    assert.deepEqual([health.status, health.failingStreak, health.log.length], ['starting', 0, 3]);
    for (const at of [1000, 1100]) health = judged(health, check(1, at), settings, 0n);
    assert.deepEqual([health.status, health.failingStreak], ['unhealthy', 2]);
    health = judged(judged(beginningHealth(undefined), check(0), settings, 0n), check(1, 500), settings, 0n);
    assert.equal(health.failingStreak, 1);
  });

  it('remembers five checks, over restarts too', () => {
    let health = beginningHealth(undefined);
    for (let at = 0; at < 7; at++) health = judged(health, check(1, at), settings, 0n);
    const { Log } = viewHealth(beginningHealth(health));
    assert.deepEqual(
      Log?.map(({ Output }) => Output),
      ['2', '3', '4', '5', '6'],
    );
    assert.equal(Log?.[0]?.Start, '1970-01-01T00:00:00.002Z');
  });
});

describe('the settings of a check', () => {
  const of = (Test: string[], more = {}) =>
    healthSettings({ ...emptyContainerConfig(), Healthcheck: { Test, ...more } });

  it('fill in what Docker would', () => {
    assert.deepEqual(of(['CMD', 'a', 'b']), {
      test: { kind: 'exec', argv: ['a', 'b'] },
      intervalMs: 30_000,
      timeoutMs: 30_000,
      startPeriodMs: 0,
      startIntervalMs: 5000,
      retries: 3,
      onFailure: 'none',
    });
    assert.equal(of(['CMD', 'a'], { Interval: 1_500_000 })?.intervalMs, 1.5);
    assert.deepEqual(of(['CMD-SHELL', 'a'])?.test, { kind: 'exec', argv: ['/bin/sh', '-c', 'a'] });
  });

  it('are none for NONE, an empty test and kinds that nobody knows', () => {
    for (const test of [[], ['NONE'], ['CMD'], ['', 'x'], ['cmd', 'x']]) assert.equal(of(test), undefined);
    assert.equal(healthSettings(emptyContainerConfig()), undefined);
  });
});

describe('the output of a check', () => {
  it('is kept up to 4096 bytes', () => {
    const output = new CheckOutput();
    output.write(1, Buffer.alloc(4095, 'x'));
    output.write(2, Buffer.from('y'));
    assert.equal(output.text(), `${'x'.repeat(4095)}y`);
    output.write(1, Buffer.alloc(1 << 20, 'z'));
    assert.equal(output.text(), `${'x'.repeat(4095)}y...`);
  });
});
