import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { run } from '../support/run.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { hasDocker, temporaryFolder } from './_compare.ts';
import { hasScript, Terminal } from './_terminal.ts';
import { startFakeEngine } from './fake-engine.ts';
import type { FakeEngine } from './fake-engine.ts';

const folder = temporaryFolder();
const env = { PATH: process.env['PATH'], HOME: '/nonexistent', TERM: 'xterm' };
const skip = !hasScript && 'util-linux script is not here';

let engines = 0;
const start = (): Promise<FakeEngine> => startFakeEngine(join(folder, `engine-${engines++}.sock`));
const open = (engine: FakeEngine, ...args: string[]): Terminal =>
  new Terminal([...gantryProgram, '-H', `unix://${engine.socket}`, ...args], env);

const consoleSize = (body: unknown): unknown =>
  (body as { HostConfig?: { ConsoleSize?: unknown } } | undefined)?.HostConfig?.ConsoleSize;

test('run -it passes every key on, tells the size, and restores the terminal', { skip }, async () => {
  using engine = await start();
  using terminal = open(engine, 'run', '-it', 'busybox');
  await terminal.shows('ready\r\n');
  terminal.type('a');
  await terminal.shows('<97>');
  terminal.type('\x03');
  await terminal.shows('<3>');
  terminal.type('\r');
  await terminal.shows('<13>');
  terminal.type('q');
  await terminal.shows('bye\r\n');
  const { code, isRestored } = await terminal.ends();
  assert.equal(code, 0);
  assert.ok(isRestored, 'the terminal is as it was');
  const requests = engine.takeRequests();
  const order = requests.map(({ path }) => path.split('/').at(-1));
  assert.deepEqual(order, ['create', 'attach', 'wait', 'start', 'resize']);
  assert.deepEqual(requests.at(-1)?.query, { h: ['33'], w: ['111'] });
  assert.deepEqual(consoleSize(requests[0]?.body), [33, 111]);
});

test('the detach keys leave the container alone', { skip }, async () => {
  using engine = await start();
  using terminal = open(engine, 'run', '-it', 'busybox');
  await terminal.shows('ready\r\n');
  // The first key alone is held back, then passed on with what follows.
  terminal.type('\x10x');
  await terminal.shows('<16><120>');
  terminal.type('\x10\x11');
  const { code, isRestored } = await terminal.ends();
  assert.equal(code, 0);
  assert.ok(isRestored, 'the terminal is as it was');
});

test('other detach keys can be chosen', { skip }, async () => {
  using engine = await start();
  using terminal = open(engine, 'exec', '-it', '--detach-keys', 'ctrl-a,d', 'web', 'sh');
  await terminal.shows('ready\r\n');
  terminal.type('\x10\x11');
  await terminal.shows('<16><17>');
  terminal.type('\x01d');
  await terminal.shows('read escape sequence');
  const { code, isRestored } = await terminal.ends();
  assert.equal(code, 1);
  assert.ok(isRestored, 'the terminal is as it was');
});

test('exec -it ends with the exit code of the command', { skip }, async () => {
  using engine = await start();
  using terminal = open(engine, 'exec', '-it', 'web', 'sh');
  await terminal.shows('ready\r\n');
  terminal.type('q');
  const { code, isRestored } = await terminal.ends();
  assert.equal(code, 3);
  assert.ok(isRestored, 'the terminal is as it was');
});

for (const args of [
  ['pull', 'busybox'],
  ['push', 'me/app:1'],
  ['load', '-i', import.meta.filename],
  ['push', 'me/broken:1'],
]) {
  test(`${args.slice(0, 2).join(' ')} draws its progress as docker does`, {
    skip: skip || (!hasDocker && 'no docker client here'),
  }, async () => {
    using engine = await start();
    using own = open(engine, ...args);
    using docker = new Terminal(['docker', '-H', `unix://${engine.socket}`, ...args], env);
    assert.equal((await own.ends()).output, (await docker.ends()).output);
  });
}

test('signals are passed on to the container, until the user insists', async () => {
  using engine = await start();
  const [path, ...args] = gantryProgram;
  const child = spawn(path, [...args, '-H', `unix://${engine.socket}`, 'run', 'patient'], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  child.kill('SIGHUP');
  const kill = await engine.sees('kill');
  assert.deepEqual(kill.query, { signal: ['HUP'] });
  child.kill('SIGTERM');
  assert.deepEqual((await engine.sees('kill')).query, { signal: ['TERM'] });
  for (let insist = 0; insist < 3; insist++) {
    child.kill('SIGINT');
    if (insist < 2) await engine.sees('kill');
  }
  assert.equal(await ended, 1);
});

test('a prune with wishes that another engine would pass over is not sent to it', async () => {
  using engine = await start();
  for (const flag of ['--dry-run', '--keep-last=2', '--unused-for=24h']) {
    const [program, ...args] = gantryProgram;
    const all = [...args, '-H', `unix://${engine.socket}`, 'image', 'prune', '-f', flag];
    const { code, stderr } = await run(program, all);
    assert.equal(code, 1);
    assert.match(stderr, /need a Gantry engine/);
  }
  assert.ok(engine.takeRequests().every(({ method }) => method === 'GET'));
});

test('build asks for the passphrase of a key, and shows nothing of it', { skip }, async () => {
  const key = join(folder, 'locked');
  execFileSync('ssh-keygen', ['-q', '-N', 'known one', '-a', '1', '-t', 'ed25519', '-f', key]);
  const context = join(folder, 'context');
  mkdirSync(context);
  writeFileSync(join(context, 'Dockerfile'), 'FROM scratch\n');
  const words = ['-H', `unix://${folder}/nobody.sock`, 'build', `--ssh=default=${key}`, context];
  for (const [typed, why] of [
    ['guessed', /failed to read the ssh key .*locked: wrong passphrase/],
    ['known one', /nobody\.sock/],
  ] as const) {
    using terminal = new Terminal([...gantryProgram, ...words], env);
    await terminal.shows(`Enter passphrase for ${key}: `);
    terminal.type(`${typed}\r`);
    const { code, output } = await terminal.ends();
    assert.equal(code, 1, output);
    assert.match(output, why);
    assert.ok(!output.includes(typed), output);
  }
  const [program, ...first] = gantryProgram;
  const piped = await run(program, [...first, ...words], { env: { HOME: env.HOME } });
  assert.equal(piped.code, 1);
  assert.match(piped.stderr, /the key has a passphrase, and there is no terminal to ask for it: add it to an agent/);
});
