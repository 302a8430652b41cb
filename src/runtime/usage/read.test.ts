import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { newContainerId } from '../../base/ids.ts';
import { createUsageReader } from './read.ts';

/** Reads the usage of a container whose cgroup v2 folder holds `files`. */
async function usageV2(files: Readonly<Record<string, string>>) {
  const id = newContainerId();
  const root = await mkdtemp(join(tmpdir(), 'usage-'));
  try {
    await mkdir(join(root, 'gantry', id), { recursive: true });
    for (const [name, text] of Object.entries(files)) await writeFile(join(root, 'gantry', id, name), text);
    const layout = { kind: 'v2', trees: [{ version: 2, mountpoint: root, controllers: [] }] } as const;
    const reader = createUsageReader(layout, '/gantry', systemClock);
    return await reader.read(id, '', process.pid);
  } finally {
    await rm(root, { recursive: true });
  }
}

test('cgroup v2: the counters that Docker shows, with 0 for those that this kernel has not', async () => {
  const { memory_stats, pids_stats, cpu_stats } = await usageV2({
    'memory.current': '4096\n',
    'memory.max': '8192\n',
    'memory.stat': 'anon 7\nfile 8\nsec_pagetables 9\n',
    'memory.events': 'low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\n',
    'pids.current': '3\n',
    'pids.max': 'max\n',
    'cpu.stat': 'usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 4\nnr_throttled 2\nthrottled_usec 6\n',
  });
  assert.ok('stats' in memory_stats);
  const { stats, ...memory } = memory_stats;
  assert.deepEqual(memory, { usage: 4096, failcnt: 2, limit: 8192 });
  assert.equal(Object.keys(stats).length, 31);
  assert.deepEqual([stats['anon'], stats['file'], stats['pgscan'], stats['sec_pagetables']], [7, 8, 0, undefined]);
  assert.deepEqual(pids_stats, { current: 3 });
  const { total_usage, percpu_usage } = cpu_stats.cpu_usage;
  assert.deepEqual([total_usage, percpu_usage], [30_000, undefined]);
  assert.deepEqual(cpu_stats.throttling_data, { periods: 4, throttled_periods: 2, throttled_time: 6000 });
});

test('cgroup v2: only bytes of disks, none for a device without figures, null without any', async () => {
  const some = await usageV2({ 'io.stat': '254:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n7:1 \n' });
  const { io_service_bytes_recursive: bytes, ...others } = some.blkio_stats;
  assert.deepEqual(bytes, [
    { major: 254, minor: 0, op: 'read', value: 10 },
    { major: 254, minor: 0, op: 'write', value: 20 },
  ]);
  assert.ok(Object.values(others).every((list) => list === null));
  assert.equal((await usageV2({ 'io.stat': '' })).blkio_stats.io_service_bytes_recursive, null);
});
