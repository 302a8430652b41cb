import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import type { HealthConfig } from '../spec/engine/container.ts';
import { createRequest, fakePorts } from './_fakes.ts';
import { createContainerService } from './service.ts';

const ms = (count: number): number => count * 1e6;

/** An engine whose time goes on only when a test says so. */
async function setUp(health: HealthConfig) {
  const fakes = fakePorts();
  let nowMs = 1_000_000;
  const clock = { nowNs: () => BigInt(nowMs) * 1_000_000n, monotonicMs: () => nowMs };
  const ports = { ...fakes.ports, clock };
  const service = createContainerService(ports);
  await service.recover();
  const { id } = await service.containers.create(createRequest({ config: { Healthcheck: health } }));
  await service.containers.start(id);
  const settle = async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    ...fakes,
    ports,
    service,
    id,
    settle,
    pass: async (milliseconds: number) => {
      nowMs += milliseconds;
      mock.timers.tick(milliseconds);
      await settle();
    },
    state: async () => (await service.containers.inspect(id, { size: false })).State,
  };
}

describe('watching the health', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  it('checks an interval after the last check has ended, never two at once', async () => {
    const { execs, pass, settle, state, events } = await setUp({ Test: ['CMD', 'probe'], Interval: ms(100) });
    await pass(99);
    assert.equal(execs.length, 0);
    await pass(1);
    assert.equal(execs.length, 1);
    assert.deepEqual(execs[0]?.request.process.args, ['probe']);
    await pass(5000);
    assert.equal(execs.length, 1);
    execs[0]?.print('fine');
    execs[0]?.end(0);
    await settle();
    const { Health } = await state();
    assert.deepEqual([Health?.Status, Health?.Log?.[0]?.Output], ['healthy', 'fine']);
    await pass(99);
    assert.equal(execs.length, 1);
    await pass(1);
    assert.equal(execs.length, 2);
    const shown = events.map(({ action }) => action);
    assert.deepEqual(shown.slice(2, 6), [
      'exec_create: probe ',
      'exec_start: probe ',
      'exec_die',
      'health_status: healthy',
    ]);
  });

  it('kills a check that takes too long, and counts it as failed', async () => {
    const health = { Test: ['CMD', 'probe'], Interval: ms(100), Timeout: ms(1500), Retries: 1 };
    const { execs, pass, state } = await setUp(health);
    await pass(100);
    await pass(1499);
    assert.equal((await state()).Health?.Status, 'starting');
    execs[0]?.print('half');
    await pass(1);
    const { Health } = await state();
    assert.deepEqual(
      [Health?.Status, Health?.Log?.[0]?.ExitCode, Health?.Log?.[0]?.Output],
      ['unhealthy', -1, 'Health check exceeded timeout (1.5s): half'],
    );
  });

  it('counts a check that cannot be started as failed, and goes on', async () => {
    const { failures, execs, pass, state } = await setUp({ Test: ['CMD', 'probe'], Interval: ms(100), Retries: 1 });
    failures.exec = new Error('no such program');
    await pass(100);
    const { Health } = await state();
    assert.deepEqual([Health?.Status, Health?.Log?.[0]?.Output], ['unhealthy', 'no such program']);
    delete failures.exec;
    await pass(100);
    assert.equal(execs.length, 1);
  });

  it('checks at the start interval while the start period lasts, and at once behind it', async () => {
    const health = { Test: ['CMD', 'probe'], Interval: ms(10_000), StartPeriod: ms(250), StartInterval: ms(100) };
    const { execs, pass, settle } = await setUp(health);
    const fail = async () => {
      execs.at(-1)?.end(1);
      await settle();
    };
    for (const [wait, count] of [
      [100, 1],
      [100, 2],
      [50, 3],
      [9999, 3],
      [1, 4],
    ] as const) {
      await pass(wait);
      assert.equal(execs.length, count);
      await fail();
    }
  });

  it('ends with the run, whose check under way is killed and does not count', async () => {
    const { execs, runs, pass, settle, state, events, service, id } = await setUp({
      Test: ['CMD', 'probe'],
      Interval: ms(100),
    });
    await pass(100);
    runs[0]?.end(0);
    await settle();
    const { Health, Status } = await state();
    assert.deepEqual([Status, Health?.Status, Health?.Log], ['exited', 'unhealthy', []]);
    await pass(10_000);
    assert.equal(execs.length, 1);
    assert.ok(!events.some(({ action }) => action.startsWith('health_status')));
    await service.containers.start(id);
    assert.equal((await state()).Health?.Status, 'starting');
    await pass(100);
    assert.equal(execs.length, 2);
  });

  it('rests while the container is paused', async () => {
    const { execs, pass, service, id, settle, state } = await setUp({ Test: ['CMD', 'probe'], Interval: ms(100) });
    await service.containers.pause(id);
    await pass(10_000);
    assert.equal(execs.length, 0);
    assert.equal((await state()).Health?.Status, 'unhealthy');
    await service.containers.unpause(id);
    await pass(100);
    execs[0]?.end(0);
    await settle();
    assert.equal((await state()).Health?.Status, 'healthy');
  });

  it('goes on after a boot with the status as it was last recorded', async () => {
    const { execs, pass, settle, ports, id } = await setUp({ Test: ['CMD', 'probe'], Interval: ms(100) });
    await pass(100);
    execs[0]?.end(0);
    await settle();
    const next = createContainerService(ports);
    await next.recover();
    const [listed] = await next.containers.list({ all: true, size: false, filters: new Map() });
    assert.equal(listed?.Id, id);
    assert.deepEqual(listed?.Health, { Status: 'healthy', FailingStreak: 0 });
    assert.match(listed?.Status ?? '', /^Up .* \(healthy\)$/);
    await pass(100);
    assert.ok(execs.length >= 2);
  });
});
