import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parseMountTable } from '../mount/table.ts';
import { spawn } from '../process/spawn.ts';
import { cgroupPids, childCgroups, createCgroup, killCgroup, oomKills, removeCgroup } from './cgroup.ts';
import { cgroupDirectories, controllerDirectory, detectCgroups, readCgroupLayout } from './layout.ts';

const skip = process.getuid?.() === 0 ? false : 'cgroups need root';
const tmpfs = '30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n';
const memory = '31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n';
const cpu = '32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n';
const unified = '33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n';

test('v1, hybrid and v2 hosts are told apart', () => {
  assert.equal(detectCgroups(parseMountTable(tmpfs + memory + cpu)).kind, 'v1');
  const hybrid = detectCgroups(parseMountTable(tmpfs + memory + cpu + unified));
  assert.equal(hybrid.kind, 'hybrid');
  assert.equal(controllerDirectory(hybrid, 'cpuacct', '/g/x'), '/sys/fs/cgroup/cpu,cpuacct/g/x');
  assert.equal(controllerDirectory(hybrid, 'blkio', '/g/x'), undefined);
  const v2 = detectCgroups(parseMountTable('30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n'));
  assert.equal(v2.kind, 'v2');
  assert.equal(controllerDirectory(v2, 'memory', '/g'), '/sys/fs/cgroup/g');
  assert.throws(() => detectCgroups([]));
});

test('the root and ways up are refused', () => {
  const layout = detectCgroups(parseMountTable(tmpfs + memory));
  for (const path of ['/', '', 'relative', '/a/../b', '/a//b', '/..']) {
    assert.throws(() => cgroupDirectories(layout, path), path);
  }
});

test('a cgroup is made, its processes are killed, and it goes', { skip }, async () => {
  const layout = await readCgroupLayout();
  const path = `/gantry-test-${randomBytes(6).toString('hex')}`;
  await createCgroup(layout, `${path}/inner`);
  const child = spawn({ path: '/bin/sleep', argv: ['sleep', '100'], env: [] });
  try {
    for (const directory of cgroupDirectories(layout, `${path}/inner`)) {
      // A v1 cpuset without CPUs takes nobody; it does not matter here.
      await writeFile(`${directory}/cgroup.procs`, String(child.pid)).catch(() => undefined);
    }
    assert.deepEqual(await cgroupPids(layout, path), [child.pid]);
    assert.deepEqual(await childCgroups(layout, path), ['inner']);
    assert.equal(oomKills(layout, path), 0);
    assert.equal(await killCgroup(layout, path), true);
    assert.equal((await child.exited).signal, 9);
  } finally {
    child.signal(9);
    assert.equal(await removeCgroup(layout, path), true);
  }
  assert.deepEqual(await childCgroups(layout, path), []);
});
