import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { processStat } from './pidfd.ts';
import { reapOrphans } from './reaper.ts';
import { run } from './run.ts';

test('what a child leaves behind becomes ours and is reaped', async () => {
  const stop = reapOrphans();
  try {
    const limits = { timeoutMs: 10_000, outputLimit: 100 };
    const script = 'sleep 0.01 >/dev/null 2>&1 & echo $!';
    const result = await run({ path: '/bin/sh', argv: ['sh', '-c', script], env: ['PATH=/bin:/usr/bin'], ...limits });
    const orphan = Number(result.stdout.toString());
    const stat = processStat(orphan);
    assert.ok(stat === undefined || stat.parent === process.pid);
    const end = performance.now() + 5000;
    while (processStat(orphan) !== undefined && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.equal(processStat(orphan), undefined);
    assert.equal(
      readFileSync('/proc/self/task/' + process.pid + '/children', 'latin1').includes(String(orphan)),
      false,
    );
  } finally {
    stop();
  }
});
