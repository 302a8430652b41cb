import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { spawn } from '../process/spawn.ts';
import { createCgroup, killCgroup, removeCgroup } from './cgroup.ts';
import { freezeCgroup, isCgroupFrozen, thawCgroup } from './freezer.ts';
import { type CgroupLayout, cgroupDirectories, controllerDirectory, readCgroupLayout } from './layout.ts';
import { changeLimits } from './limits.ts';

const skip = process.getuid?.() === 0 ? false : 'cgroups need root';

/** Every tree of this host that can freeze, as if it were the only one. */
async function freezers(): Promise<CgroupLayout[]> {
  const { trees } = await readCgroupLayout();
  return trees
    .filter((tree) => tree.version === 2 || tree.controllers.includes('freezer'))
    .map((tree) => ({ kind: tree.version === 2 ? 'v2' : 'v1', trees: [tree] }));
}

test('processes stand still, run on, and die although they are frozen', { skip }, async () => {
  for (const layout of await freezers()) {
    const path = `/gantry-test-${randomBytes(6).toString('hex')}`;
    await createCgroup(layout, path);
    const child = spawn({ path: '/bin/sh', argv: ['sh', '-c', 'while :; do :; done'], env: [] });
    const ticks = async () => Number((await readFile(`/proc/${child.pid}/stat`, 'latin1')).split(' ')[13]);
    try {
      for (const directory of cgroupDirectories(layout, path))
        await writeFile(`${directory}/cgroup.procs`, String(child.pid));
      assert.equal(await isCgroupFrozen(layout, path), false);
      await freezeCgroup(layout, path);
      assert.equal(await isCgroupFrozen(layout, path), true);
      const still = await ticks();
      const soon = Date.now() + 100;
      while (Date.now() < soon) assert.equal(await ticks(), still, layout.kind);
      await thawCgroup(layout, path);
      assert.equal(await isCgroupFrozen(layout, path), false);
      while ((await ticks()) === still) assert.ok(Date.now() < soon + 20_000, 'it runs on');
      await freezeCgroup(layout, path);
      assert.equal(await killCgroup(layout, path), true, layout.kind);
      assert.equal((await child.exited).signal, 9);
    } finally {
      child.signal(9);
      await thawCgroup(layout, path);
      assert.equal(await removeCgroup(layout, path), true);
    }
    assert.equal(await isCgroupFrozen(layout, path), false);
    await thawCgroup(layout, path);
  }
});

test('limits that contradict each other on the way are set, and a failed change is taken back', { skip }, async (t) => {
  const layout = await readCgroupLayout();
  const path = `/gantry-test-${randomBytes(6).toString('hex')}`;
  if (layout.kind === 'v2') {
    t.skip('memory and swap are independent with cgroup v2');
    return;
  }
  await createCgroup(layout, path);
  try {
    const [limit, both] = ['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes'];
    const writes = (memory: number, swap: number) => [
      { controller: 'memory', file: limit ?? '', value: String(memory) },
      { controller: 'memory', file: both ?? '', value: String(swap) },
    ];
    const read = async () => {
      const directory = controllerDirectory(layout, 'memory', path);
      return Promise.all([limit, both].map(async (file) => Number(await readFile(`${directory}/${file}`, 'latin1'))));
    };
    const MiB = 1 << 20;
    for (const [memory, swap] of [
      [64, 64],
      [128, 256],
      [16, 16],
      [300, 300],
    ] as const) {
      await changeLimits(layout, path, writes(memory * MiB, swap * MiB), []);
      assert.deepEqual(await read(), [memory * MiB, swap * MiB]);
    }
    const broken = [...writes(32 * MiB, 32 * MiB), { controller: 'memory', file: 'memory.swappiness', value: '5000' }];
    await assert.rejects(changeLimits(layout, path, broken, writes(300 * MiB, 300 * MiB)), /memory.swappiness to 5000/);
    assert.deepEqual(await read(), [300 * MiB, 300 * MiB]);
    const missing = [{ controller: 'memory', file: 'memory.nothing', value: '1' }];
    await assert.rejects(changeLimits(layout, path, missing, []), /no such limit/);
  } finally {
    assert.equal(await removeCgroup(layout, path), true);
  }
});
