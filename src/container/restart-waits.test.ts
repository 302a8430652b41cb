import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import type { RestartPolicy } from '../spec/engine/container.ts';
import { createRequest, fakePorts } from './_fakes.ts';
import { createContainerService } from './service.ts';

const settle = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** An engine, and engines after it, whose time goes on only when a test says so. */
async function setUp(RestartPolicy: RestartPolicy) {
  const fakes = fakePorts();
  let nowMs = Date.now();
  const clock = { nowNs: () => BigInt(Math.round(nowMs * 1000)) * 1000n, monotonicMs: () => nowMs };
  const ports = { ...fakes.ports, clock };
  const service = createContainerService(ports);
  await service.recover();
  const { id } = await service.containers.create(createRequest({ host: { RestartPolicy } }));
  await service.containers.start(id);
  return {
    ...fakes,
    id,
    clock,
    service,
    pass: async (ms: number) => {
      nowMs += ms;
      mock.timers.tick(ms);
      await settle();
    },
    boot: async () => {
      mock.timers.reset();
      mock.timers.enable({ apis: ['setTimeout'] });
      const next = createContainerService(ports);
      next.startRecovered((await next.recover()).toStart);
      await settle();
      return next.containers;
    },
  };
}

describe('the waits of restart policies', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  it('double from 100 ms, and go on where they were in the next engine', async () => {
    const { runs, pass, boot, id, clock } = await setUp({ Name: 'on-failure', MaximumRetryCount: 4 });
    const fail = async () => {
      runs.at(-1)?.end(1, clock.nowNs());
      await settle();
    };
    for (const wait of [100, 200]) {
      const before = runs.length;
      await fail();
      await pass(wait - 30);
      assert.equal(runs.length, before);
      await pass(40);
      assert.equal(runs.length, before + 1);
    }
    await fail();
    await pass(100);
    const next = await boot();
    assert.equal((await next.inspect(id, { size: false })).State.Status, 'restarting');
    await pass(270);
    assert.equal(runs.length, 3);
    await pass(60);
    assert.equal(runs.length, 4);
    assert.equal((await next.inspect(id, { size: false })).RestartCount, 3);
    await fail();
    await pass(770);
    assert.equal(runs.length, 4);
    await pass(60);
    assert.equal(runs.length, 5);
    await fail();
    await pass(60_000);
    const { State, RestartCount } = await next.inspect(id, { size: false });
    assert.deepEqual([State.Status, RestartCount, runs.length], ['exited', 4, 5]);
  });

  it('are over when a restart is called off, in the next engine too', async () => {
    const { runs, pass, boot, service, id } = await setUp({ Name: 'unless-stopped', MaximumRetryCount: 0 });
    runs[0]?.end(1);
    await settle();
    await service.containers.stop(id, {});
    await pass(60_000);
    await boot();
    await pass(60_000);
    assert.equal(runs.length, 1);
  });
});
