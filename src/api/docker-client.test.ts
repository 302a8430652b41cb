import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import test from 'node:test';
import { conflict } from '../base/errors.ts';
import { FakeContainer, fakeServices, serve } from './_fakes.ts';

const skip = spawnSync('docker', ['--version']).status === 0 ? false : 'there is no docker client on PATH';

interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the stock client against the engine at `path`; `input` is its stdin, to its end. */
function docker(path: string, args: readonly string[], input?: string): Promise<Result> {
  const child = spawn('docker', args, {
    env: { ...process.env, DOCKER_HOST: `unix://${path}`, DOCKER_CONFIG: '/nonexistent' },
  });
  const result: Result = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (result.stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (result.stderr += String(chunk)));
  child.stdin.end(input ?? '');
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  child.once('error', reject);
  child.once('close', (code) => resolve({ ...result, code }));
  return promise;
}

test('docker version and ps speak with the engine', { skip }, async (t) => {
  const { path } = await serve(t, fakeServices(new FakeContainer()));
  const version = await docker(path, ['version', '--format', '{{.Server.APIVersion}} {{.Client.APIVersion}}']);
  assert.deepEqual([version.code, version.stdout], [0, '1.55 1.50\n']);
  assert.match((await docker(path, ['ps'])).stdout, /^CONTAINER ID /);
});

test('docker run: attach, wait, start; output, stdin and exit code arrive', { skip }, async (t) => {
  const container = new FakeContainer();
  container.run = () => {
    container.stdio.print(1, 'to stdout\n');
    container.stdio.print(2, 'to stderr\n');
    void container.stdio.stdinClosed.wait().then(() => {
      container.stdio.print(1, container.stdio.stdin.toUpperCase());
      container.finish(7);
    });
  };
  const { path } = await serve(t, fakeServices(container));
  const run = await docker(path, ['run', '--rm', '-i', '-m', '64m', 'busybox', 'cat'], 'typed in\n');
  assert.deepEqual([run.code, run.stdout, run.stderr], [7, 'to stdout\nTYPED IN\n', 'to stderr\n']);
  assert.deepEqual(container.calls, ['wait removed']);
  assert.equal(container.request?.HostConfig.Memory, 64 * 1024 * 1024);
  assert.deepEqual(container.request?.Config.Cmd, ['cat']);
});

test('docker exec: stdin, output, and the exit code after the end of the stream', { skip }, async (t) => {
  const container = new FakeContainer();
  container.run = () => {
    void container.stdio.stdinClosed.wait().then(() => {
      container.stdio.print(1, `got ${container.stdio.stdin}`);
      container.stdio.end();
    });
  };
  const { path } = await serve(t, fakeServices(container));
  const exec = await docker(path, ['exec', '-i', 'web', 'cat'], 'x\n');
  assert.deepEqual([exec.code, exec.stdout, exec.stderr], [7, 'got x\n', '']);
});

test('docker shows the messages of errors, and what is missing by name', { skip }, async (t) => {
  const container = new FakeContainer();
  container.run = () => {
    throw conflict('the port is taken');
  };
  const { path } = await serve(t, fakeServices(container));
  const start = await docker(path, ['start', 'web']);
  assert.equal(start.code, 1);
  assert.match(start.stderr, /Error response from daemon: the port is taken/);
  assert.match((await docker(path, ['start', 'nope'])).stderr, /No such container: nope/);
  assert.match((await docker(path, ['node', 'ls'])).stderr, /NodeList is not implemented by this engine yet/);
});

test('docker logs parts stdout and stderr', { skip }, async (t) => {
  const container = new FakeContainer();
  const entry = (stream: 1 | 2, text: string) => ({ stream, time: '', bytes: Buffer.from(text) });
  container.logEntries = [entry(1, 'out\n'), entry(2, 'err\n')];
  const { path } = await serve(t, fakeServices(container));
  const logs = await docker(path, ['logs', '--tail', '3', 'web']);
  assert.deepEqual([logs.code, logs.stdout, logs.stderr], [0, 'out\n', 'err\n']);
  assert.deepEqual(container.calls, ['logs 3 false undefined']);
});
