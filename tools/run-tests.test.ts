import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

/** What the runner says of one file of tests, and its exit code. */
function runOn(source: string): { readonly code: number | null; readonly last: string; readonly said: string } {
  const folder = mkdtempSync(join(tmpdir(), 'run-tests-'));
  try {
    writeFileSync(join(folder, 'one.test.mjs'), source);
    writeFileSync(join(folder, 'one.test.ts'), "import './one.test.mjs';");
    const env = { ...process.env };
    // Of the test that this is: a runner below another one would do nothing.
    delete env['NODE_TEST_CONTEXT'];
    const program = new URL('./run-tests.ts', import.meta.url).pathname;
    const { status, stdout } = spawnSync(process.execPath, [program, folder], {
      env,
      encoding: 'utf8',
      timeout: 60_000,
    });
    return { code: status, last: stdout.trim().split('\n').at(-1) ?? '', said: stdout };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('a test that fails with a worker that still runs does not hold up the run', () => {
  const { code, last } = runOn(`
    import { test } from 'node:test';
    import { Worker } from 'node:worker_threads';
    test('fails', () => { new Worker('setInterval(() => {}, 1000)', { eval: true }); throw new Error('here'); });
    test('comes after it', () => {});`);
  assert.deepEqual([code, last], [1, '1 passed, 1 failed, 0 skipped']);
});

test('a file without a test, and a run without a file, are failures', () => {
  const { code, last } = runOn('export {};');
  assert.deepEqual([code, last], [1, '0 passed, 1 failed, 0 skipped']);
});

test('a suite that is skipped as a whole is listed with its reason', () => {
  const { code, last, said } = runOn(`
    import { describe, test } from 'node:test';
    test('runs', () => {});
    describe('one suite', { skip: 'needs a moon' }, () => test('never', () => {}));
    describe('another suite', () => test('within', { skip: 'needs a sun' }, () => {}));`);
  assert.deepEqual([code, last], [0, '1 passed, 0 failed, 2 skipped']);
  assert.match(said, /one suite: needs a moon\n/);
  assert.match(said, /within: needs a sun\n/);
});
