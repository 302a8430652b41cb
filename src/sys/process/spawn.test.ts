import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, createReadStream, mkdtempSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { limitFileSize } from './limits.ts';
import { isAlive, processStartTime } from './pidfd.ts';
import { createPipe } from './pipe.ts';
import { run } from './run.ts';
import { spawn } from './spawn.ts';

const env = ['PATH=/usr/bin:/bin'];
const limits = { timeoutMs: 10_000, outputLimit: 4096 };
/**
 * All that comes through a pipe. The descriptor is closed when this returns: a file stream closes its own only some time
 * after its last byte, in the middle of whatever comes next.
 */
const readToEnd = async (fd: number): Promise<string> => {
  const stream = createReadStream('', { fd });
  const closed = once(stream, 'close');
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  await closed;
  return Buffer.concat(chunks).toString();
};
const shell = (script: string) => ({ path: '/bin/sh', argv: ['sh', '-c', script], env, ...limits });

test('run gives output, exit code and the signal that ended the program', async () => {
  const result = await run({ ...shell('cat; echo err >&2; exit 3'), input: Buffer.from('hello') });
  assert.equal(result.stdout.toString(), 'hello');
  assert.equal(result.stderr.toString(), 'err\n');
  assert.equal(result.code, 3);
  assert.equal((await run(shell('kill -9 $$'))).signal, 9);
});

test('run keeps only so many bytes, and kills a program that takes too long', async () => {
  const long = await run({ ...shell('head -c 100000 /dev/zero'), outputLimit: 10 });
  assert.equal(long.stdout.length, 10);
  const slow = await run({ ...shell('exec sleep 100'), timeoutMs: 50 });
  assert.equal(slow.timedOut, true);
  assert.equal(slow.code, 137);
});

test('a missing program is ENOENT', () => {
  assert.throws(() => spawn({ path: '/nonexistent', argv: ['x'], env }), { code: 'ENOENT' });
});

test('with a limit for its files a child that ignores SIGXFSZ goes on, any other ends', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'spawn-'));
  const grow = async (name: string, ignoresFileSize: boolean) => {
    const [begin, out] = [createPipe(), createPipe()];
    const script = `read line; head -c 5000 /dev/zero >> ${folder}/${name} 2>/dev/null; kill -XFSZ $$; echo on`;
    const fds = [
      [begin.read, 0],
      [out.write, 1],
    ] as const;
    const child = spawn({ path: '/bin/sh', argv: ['sh', '-c', script], env, fds, ignoresFileSize });
    for (const fd of [begin.read, out.write]) closeSync(fd);
    limitFileSize(child.pid, 1000);
    writeSync(begin.write, '\n');
    closeSync(begin.write);
    const said = await readToEnd(out.read);
    return { said, size: statSync(join(folder, name)).size, ...(await child.exited) };
  };
  try {
    assert.deepEqual(await grow('ignoring', true), { said: 'on\n', size: 1000, code: 0, signal: 0 });
    assert.deepEqual(await grow('default', false), { said: '', size: 1000, code: 128 + 25, signal: 25 });
    assert.throws(() => limitFileSize(2 ** 30, 1), { code: 'ESRCH' });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a child has exactly the descriptors that it was given', async () => {
  const leak = openSync('/dev/null', 'r');
  const pipe = createPipe();
  const child = spawn({
    path: '/bin/ls',
    argv: ['ls', '/proc/self/fd'],
    env,
    fds: [
      [pipe.write, 1],
      [leak, 9],
    ],
  });
  closeSync(pipe.write);
  const result = await readToEnd(pipe.read);
  await child.exited;
  // ls itself opens the directory as 3.
  assert.deepEqual(result.trim().split('\n'), ['0', '1', '2', '3', '9']);
  closeSync(leak);
});

test('descriptors that swap their numbers do not overwrite each other', async () => {
  const a = openSync('/dev/null', 'r');
  const b = openSync('/dev/zero', 'r');
  const pipe = createPipe();
  const script = `readlink /proc/self/fd/${a} /proc/self/fd/${b}`;
  const child = spawn({
    path: '/bin/sh',
    argv: ['sh', '-c', script],
    env,
    fds: [
      [pipe.write, 1],
      [a, b],
      [b, a],
    ],
  });
  closeSync(pipe.write);
  const result = await readToEnd(pipe.read);
  await child.exited;
  assert.equal(result, '/dev/zero\n/dev/null\n');
  closeSync(a);
  closeSync(b);
});

test('children are reaped and leave no descriptor behind', async () => {
  const before = readdirSync('/proc/self/fd').length;
  for (let round = 0; round < 5; round++) {
    const child = spawn({ path: '/bin/true', argv: ['true'], env });
    const start = processStartTime(child.pid) ?? 0;
    assert.deepEqual(await child.exited, { code: 0, signal: 0 });
    assert.equal(isAlive({ pid: child.pid, start }), false);
    assert.equal(child.signal(9), false);
  }
  assert.equal(readdirSync('/proc/self/fd').length, before);
});
