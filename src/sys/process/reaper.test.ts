import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { readAll } from '../../base/stream.ts';
import { filterThrough } from './filter.ts';
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

test('a program that ends while the engine is held up is left to libuv, which would never tell of its end', async () => {
  const stop = reapOrphans();
  try {
    process.emit('SIGCHLD', 'SIGCHLD');
    // Timers come right after this part of the event loop, and libuv's look at signals a round later.
    await new Promise((resolve) => setImmediate(resolve));
    const output = readAll(filterThrough(nothing(), { path: '/bin/echo', args: ['said'] }), 100);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
    assert.equal(Buffer.from(await output).toString(), 'said\n');
  } finally {
    stop();
  }
});

async function* nothing(): AsyncGenerator<Uint8Array> {}
