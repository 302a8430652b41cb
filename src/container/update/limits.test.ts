import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { emptyHostConfig } from '../../spec/engine/empty-config.ts';
import { decodeUpdateContainer } from '../../spec/decode/update-container.ts';
import { mergeLimits, validateUpdate } from './limits.ts';

const MiB = 1 << 20;
const facts = {
  cpus: 2,
  runtimes: new Set(['crun']),
  onlineCpus: '0-1',
  onlineMems: '0',
  blockLimits: { weight: true, weightDevice: true, throttle: true },
};
const merge = (current: object, body: object) =>
  mergeLimits({ ...emptyHostConfig(), ...current }, decodeUpdateContainer(body, 55));

describe('mergeLimits', () => {
  it('leaves alone what is zero, empty or null, and takes 0 as no limit of processes', () => {
    const merged = merge(
      { Memory: 64 * MiB, MemorySwap: 128 * MiB, PidsLimit: 5, CpusetCpus: '0' },
      { Memory: 0, PidsLimit: 0, CpusetCpus: '' },
    );
    assert.deepEqual([merged.Memory, merged.PidsLimit, merged.CpusetCpus], [64 * MiB, 0, '0']);
    assert.equal(merge({ PidsLimit: 5 }, { PidsLimit: null }).PidsLimit, 5);
    assert.equal(merge({ PidsLimit: 5 }, { PidsLimit: -1 }).PidsLimit, 0);
  });

  it('refuses swap that does not go with the memory that is set', () => {
    assert.throws(
      () => merge({ Memory: 64 * MiB, MemorySwap: 128 * MiB }, { MemorySwap: 32 * MiB }),
      /memoryswap limit/,
    );
    assert.throws(() => merge({}, { MemorySwap: 32 * MiB }), /always set the Memory limit/);
    assert.throws(() => merge({ Memory: 64 * MiB, MemorySwap: 64 * MiB }, { Memory: 65 * MiB }), /at the same time/);
    assert.equal(merge({ Memory: 64 * MiB, MemorySwap: -1 }, { Memory: 65 * MiB }).Memory, 65 * MiB);
  });

  it('lets swap be set for a memory limit that the container has already', () => {
    validateUpdate(decodeUpdateContainer({ MemorySwap: 64 * MiB }, 55), facts);
    assert.equal(merge({ Memory: 32 * MiB, MemorySwap: 64 * MiB }, { MemorySwap: 40 * MiB }).MemorySwap, 40 * MiB);
  });
});
