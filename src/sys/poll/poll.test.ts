import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const poll = new URL('./poll.ts', import.meta.url).href;

/** What a process ends with that polls its stdin, where there is something to read, and has a server that has to be closed then. */
function endOf(script: string): number | string | null {
  const code = `
    import { createServer } from 'node:net';
    import { Poll } from ${JSON.stringify(poll)};
    await new Promise((listening) => createServer().listen(0, '127.0.0.1', listening).unref());
    const poll = new Poll(0, 1, () => undefined);
    ${script}`;
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', code];
  const { status, signal } = spawnSync(process.execPath, args, { input: 'text', stdio: ['pipe', 'inherit', 'pipe'] });
  return signal ?? status;
}

test('a process may end while something is polled, and right after it was', () => {
  const ends = 'poll.unref(); process.exitCode = 7;';
  assert.equal(endOf(ends), 7);
  assert.equal(endOf(`${ends} process.on('beforeExit', () => poll.close());`), 7);
  assert.equal(endOf(`${ends} process.on('exit', () => poll.close());`), 7);
  assert.equal(endOf('process.exit(7);'), 7);
});
