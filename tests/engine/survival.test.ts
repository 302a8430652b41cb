import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testImage } from '../support/images.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';

const { name: image } = await testImage('busybox');

/** Counts up, a line at a time: a missing number is a lost line. */
const writer = ['sh', '-c', 'i=0; while :; do i=$((i+1)); echo "$i"; usleep 20000; done'];

engineSuite('containers outlive the engine', {}, (engine) => {
  const docker = (...args: string[]): Promise<string> => engine().dockerOk(args);

  test('kill -9 under 20 writers: no line is lost, every state is right at once', async () => {
    const names = Array.from({ length: 20 }, (_, at) => `writer-${at}`);
    await Promise.all(names.map((name) => docker('run', '-d', '--name', name, image, ...writer)));
    await docker('run', '-d', '--name', 'dies-meanwhile', image, 'sh', '-c', 'sleep 1; exit 42');
    const pids = await docker('inspect', '-f', '{{.State.Pid}}', ...names);
    const before = await Promise.all(names.map(async (name) => (await docker('logs', name)).split('\n').length));
    await engine().stop('SIGKILL');
    await engine().start();
    assert.equal(await docker('inspect', '-f', '{{.State.Pid}}', ...names), pids);
    assert.equal(await docker('wait', 'dies-meanwhile'), '42');
    assert.equal((await docker('ps', '--filter', 'status=running', '-q')).split('\n').length, 20);
    await eventually('every writer has gone on', async () => {
      const now = await Promise.all(names.map((name) => docker('logs', '--tail', '1', name)));
      return now.every((lines, at) => Number(lines.split('\n').at(-1)) > (before[at] ?? 0) + 20);
    });
    await docker('kill', ...names);
    for (const name of names) {
      const lines = (await docker('logs', name)).split('\n');
      lines.forEach((line, at) => assert.equal(line, String(at + 1), `line ${at + 1} of ${name}`));
    }
  });

  test('an exit while the engine is away is known after its start', async () => {
    await docker('run', '-d', '--name', 'short', image, 'sh', '-c', 'sleep 0.3; echo last words; exit 9');
    const pid = Number(await docker('inspect', '-f', '{{.State.Pid}}', 'short'));
    await engine().stop('SIGKILL');
    await eventually('the process has ended', () => !isAlive(pid));
    await engine().start();
    assert.equal(await docker('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'short'), 'exited 9');
    assert.equal(await docker('logs', 'short'), 'last words');
  });

  test('ports, exec, stop and restart policies go on', async () => {
    await docker('run', '-d', '--name', 'web', '-p', '8090:80', image, 'httpd', '-f', '-h', '/var/www');
    await docker('run', '-d', '--name', 'phoenix', '--restart', 'always', image, 'sh', '-c', 'sleep 1000');
    await engine().stop('SIGKILL');
    await engine().start();
    const page = await eventually('the page comes', () => engine().fetch('http://127.0.0.1:8090/'));
    assert.match(page, /served from a container/);
    assert.equal(await docker('exec', 'web', 'echo', 'hello'), 'hello');
    const pid = Number(await docker('inspect', '-f', '{{.State.Pid}}', 'phoenix'));
    process.kill(pid, 'SIGKILL');
    await eventually('it is started again', async () => {
      const now = Number(await docker('inspect', '-f', '{{.State.Pid}}', 'phoenix'));
      return now !== 0 && now !== pid;
    });
    await docker('stop', '-t', '0', 'web', 'phoenix');
    assert.equal(await docker('ps', '-q'), '');
  });

  test('SIGTERM leaves containers running too, and the engine exits with 0', async () => {
    await docker('run', '-d', '--name', 'stays', image, 'sleep', '1000');
    const pid = Number(await docker('inspect', '-f', '{{.State.Pid}}', 'stays'));
    await engine().stop('SIGTERM');
    assert.ok(isAlive(pid));
    await engine().start();
    assert.equal(await docker('inspect', '-f', '{{.State.Pid}}', 'stays'), String(pid));
  });

  test('images and stopped containers are there after a restart, and events go on counting', async () => {
    await docker('create', '--name', 'kept', image, 'echo', 'kept');
    await engine().stop('SIGKILL');
    await engine().start();
    assert.equal(await docker('start', '-a', 'kept'), 'kept');
    // A death is told in events at about the time when it is told to those who wait.
    await eventually('the whole life is in the events', async () => {
      const until = (Date.now() / 1000).toFixed(3);
      const options = ['--since', '1', '--until', until, '--filter', 'container=kept', '--format', '{{.Action}}'];
      const actions = (await docker('events', ...options)).split('\n').filter((action) => action !== 'attach');
      return actions.join(' ') === 'create start die';
    });
  });
});

/** Whether the process exists. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
