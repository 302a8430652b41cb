import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { limitChanges } from './cgroup-limits.ts';

const v1 = { general: 'blkio.weight', perDevice: 'blkio.weight_device' };
const v2 = { general: 'io.weight', perDevice: 'io.weight' };
const lines = (writes: readonly { file: string; value: string }[]) =>
  writes.map(({ file, value }) => `${file}=${value}`);

describe('limitChanges', () => {
  it('writes only what differs, and takes it back to what it was', () => {
    const before = { memory: { limit: 100, swap: 200 }, pids: { limit: 5 } };
    const after = { memory: { limit: 50, swap: 200 }, cpu: { shares: 512 }, pids: { limit: 5 } };
    const { writes, undo } = limitChanges(1, before, after, v1);
    assert.deepEqual(lines(writes), ['memory.limit_in_bytes=50', 'cpu.shares=512']);
    assert.deepEqual(lines(undo), ['memory.limit_in_bytes=100', 'cpu.shares=1024']);
  });

  it('takes back limits that are gone, device by device', () => {
    const before = { pids: { limit: 5 }, blockIO: { throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 9 }] } };
    const after = { blockIO: { throttleReadBpsDevice: [{ major: 8, minor: 16, rate: 7 }] } };
    assert.deepEqual(lines(limitChanges(1, before, after, v1).writes), [
      'pids.max=max',
      'blkio.throttle.read_bps_device=8:0 0',
      'blkio.throttle.read_bps_device=8:16 7',
    ]);
    assert.deepEqual(lines(limitChanges(2, before, after, v2).writes), [
      'pids.max=max',
      'io.max=8:0 rbps=max',
      'io.max=8:16 rbps=7',
    ]);
  });

  it('converts to the units of v2: swap without memory, weights, a quota with its period', () => {
    const after = {
      memory: { limit: 100, swap: 250, reservation: 20 },
      cpu: { shares: 512, quota: 5000, cpus: '0-1' },
      blockIO: { weight: 500, weightDevice: [{ major: 8, minor: 0, weight: 10 }] },
    };
    assert.deepEqual(lines(limitChanges(2, {}, after, v2).writes), [
      'memory.max=100',
      'memory.swap.max=150',
      'memory.low=20',
      'cpu.weight=20',
      'cpu.max=5000 100000',
      'cpuset.cpus=0-1',
      'io.weight=4950',
      'io.weight=8:0 1',
    ]);
    assert.deepEqual(lines(limitChanges(2, after, { ...after, memory: { limit: 100, swap: -1 } }, v2).writes), [
      'memory.low=0',
      'memory.swap.max=max',
    ]);
  });
});
