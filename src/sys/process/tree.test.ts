import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { isAlive, processEnded, processStartTime } from './pidfd.ts';
import { killTree, treeOf } from './tree.ts';

/** What a cgroup would list, and more. */
const allPids = async () => (await readdir('/proc')).map(Number).filter((pid) => pid > 1);
const relation = (pid: number, parent: number, session: number) => ({ pid, parent, session, start: 1 });

describe('a tree of processes', () => {
  it('holds children however far down, and the session whatever became of its parents', () => {
    const all = [
      relation(30, 20, 1),
      relation(20, 10, 1),
      relation(10, 1, 1),
      relation(11, 1, 10),
      relation(12, 11, 12),
      relation(40, 1, 40),
    ];
    const pids = treeOf(10, all).map(({ pid }) => pid);
    assert.equal(pids[0], 10);
    assert.deepEqual(
      pids.sort((a, b) => a - b),
      [10, 11, 12, 20, 30],
    );
    assert.deepEqual(treeOf(99, all), []);
  });

  it('is killed whole, and nothing beside it', async () => {
    const script = 'sleep 871 & echo $!; (setsid sleep 872 & echo $!; wait) & echo $! $$; wait';
    const shell = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
    const beside = spawn('sleep', ['873'], { stdio: 'ignore' });
    try {
      const pids: number[] = [];
      for await (const chunk of shell.stdout) {
        pids.push(...String(chunk).trim().split(/\s+/).map(Number));
        if (pids.length >= 4) break;
      }
      const started = pids.map((pid) => ({ pid, start: processStartTime(pid) ?? 0 }));
      assert.ok(started.every(isAlive));
      const root = { pid: shell.pid ?? 0, start: processStartTime(shell.pid ?? 0) ?? 0 };
      await killTree(root, allPids);
      // A signal is sent at once, and acted upon a little later.
      await Promise.all(started.map((identity) => processEnded(identity)));
      assert.ok(!started.some(isAlive));
      assert.equal(beside.exitCode, null);
    } finally {
      // What still ran would keep this test from ending.
      for (const child of [shell, beside]) child.kill('SIGKILL');
    }
    await once(beside, 'exit');
  });

  it('of a process that is gone is nobody', async () => {
    const pid = process.pid;
    await killTree({ pid, start: 1 }, async () => [pid]);
    assert.ok(isAlive({ pid, start: processStartTime(pid) ?? 0 }));
  });
});
