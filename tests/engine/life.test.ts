import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { dockerClient } from '../support/docker-client.ts';
import { testImage } from '../support/images.ts';
import { ended } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';

const { name: image } = await testImage('busybox');

engineSuite("a container's life through the docker client", {}, (engine) => {
  const docker = (...args: string[]): Promise<string> => engine().dockerOk(args);
  const state = (name: string): Promise<string> =>
    docker('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', name);

  test('create, start, stop, start again, kill, remove', async () => {
    await docker(
      'create',
      '--name',
      'one',
      image,
      'sh',
      '-c',
      'trap "exit 7" TERM; echo up; while :; do sleep 0.05; done',
    );
    assert.equal(await state('one'), 'created 0');
    await docker('start', 'one');
    assert.equal(await state('one'), 'running 0');
    await eventually('the trap is set', async () => (await docker('logs', 'one')).includes('up'));
    await docker('stop', 'one');
    assert.equal(await state('one'), 'exited 7');
    await docker('start', 'one');
    await docker('kill', 'one');
    assert.equal(await docker('wait', 'one'), '137');
    assert.equal(await state('one'), 'exited 137');
    await docker('rm', 'one');
    assert.equal(await docker('ps', '-aq'), '');
  });

  test('what ignores the stop signal is killed after the timeout', async () => {
    await docker(
      'run',
      '-d',
      '--name',
      'deaf',
      image,
      'sh',
      '-c',
      'trap "" TERM; echo up; while :; do sleep 0.1; done',
    );
    await eventually('the trap is set', async () => (await docker('logs', 'deaf')).includes('up'));
    await docker('stop', '-t', '1', 'deaf');
    assert.equal(await state('deaf'), 'exited 137');
  });

  test('restart gives a new process', async () => {
    await docker('run', '-d', '--name', 'again', image, 'sleep', '1000');
    const pid = await docker('inspect', '-f', '{{.State.Pid}}', 'again');
    await docker('restart', '-t', '0', 'again');
    assert.notEqual(await docker('inspect', '-f', '{{.State.Pid}}', 'again'), pid);
    assert.equal(await state('again'), 'running 0');
  });

  test('a running container is removed only by force', async () => {
    await docker('run', '-d', '--name', 'busy', image, 'sleep', '1000');
    const { code, stderr } = await engine().docker(['rm', 'busy']);
    assert.equal(code, 1);
    assert.match(stderr, /container is running/);
    await docker('rm', '-f', 'busy');
  });

  test('a name is taken once', async () => {
    await docker('create', '--name', 'taken', image, 'true');
    const { code, stderr } = await engine().docker(['create', '--name', 'taken', image, 'true']);
    assert.equal(code, 1);
    assert.match(stderr, /The container name "\/taken" is already in use by container/);
  });

  test('ps shows names, commands, states, with filters and formats', async () => {
    await docker('run', '-d', '--name', 'runner', '--label', 'team=a', image, 'sleep', '1000');
    await docker('create', '--name', 'waiter', image, 'true');
    assert.equal(await docker('ps', '--format', '{{.Names}} {{.Image}} {{.Command}}'), `runner ${image} "sleep 1000"`);
    assert.match(await docker('ps', '--format', '{{.Status}}'), /^Up /);
    assert.equal(await docker('ps', '-a', '--filter', 'status=created', '--format', '{{.Names}}'), 'waiter');
    assert.equal(await docker('ps', '-a', '--filter', 'label=team=a', '--format', '{{.Names}}'), 'runner');
    assert.equal((await docker('ps', '-aq')).split('\n').length, 2);
  });

  test('exec: output, exit code, user, environment, stdin', async () => {
    await docker('run', '-d', '--name', 'host-of-exec', image, 'sleep', '1000');
    const result = await engine().docker(['exec', 'host-of-exec', 'sh', '-c', 'echo out; echo err >&2; exit 5']);
    assert.deepEqual(result, { code: 5, stdout: 'out\n', stderr: 'err\n' });
    assert.equal(
      await docker('exec', '-u', '1000', '-w', '/tmp', '-e', 'A=b', 'host-of-exec', 'sh', '-c', 'id -u; pwd; echo $A'),
      '1000\n/tmp\nb',
    );
    const { stdout } = await engine().docker(['exec', '-i', 'host-of-exec', 'cat'], { input: 'typed' });
    assert.equal(stdout, 'typed');
    const missing = await engine().docker(['exec', 'host-of-exec', 'no-such-command']);
    assert.equal(missing.code, 127);
  });

  test('logs: both streams, tail, timestamps, since', async () => {
    await docker(
      'run',
      '--name',
      'talker',
      image,
      'sh',
      '-c',
      'echo err >&2; sleep 0.3; for i in 1 2 3 4 5; do echo line $i; done',
    );
    const whole = await engine().docker(['logs', 'talker']);
    assert.equal(whole.stdout, 'line 1\nline 2\nline 3\nline 4\nline 5\n');
    assert.equal(whole.stderr, 'err\n');
    const tail = await engine().docker(['logs', '--tail', '2', 'talker']);
    assert.equal(tail.stdout + tail.stderr, 'line 4\nline 5\n');
    assert.match(await docker('logs', '-t', 'talker'), /^\d{4}-\d\d-\d\dT[\d:.]+Z line 1$/m);
    assert.equal(await docker('logs', '--since', '2099-01-01T00:00:00Z', 'talker'), '');
  });

  test('logs -f follows to the end', async () => {
    await docker('run', '-d', '--name', 'slow', image, 'sh', '-c', 'for i in 1 2 3; do echo $i; sleep 0.2; done');
    assert.equal(await docker('logs', '-f', 'slow'), '1\n2\n3');
  });

  test('events tell a life in order', async () => {
    const since = (Date.now() / 1000).toFixed(3);
    const watcher = spawn(
      dockerClient(),
      ['events', '--since', since, '--filter', 'container=watched', '--format', '{{.Action}}'],
      { env: { ...process.env, ...engine().clientEnv() }, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let seen = '';
    watcher.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()));
    await docker('run', '--rm', '--name', 'watched', image, 'true');
    await eventually('the container is destroyed', () => seen.includes('destroy'));
    watcher.kill();
    await ended(watcher);
    const order = seen
      .trim()
      .split('\n')
      .filter((action) => action !== 'attach');
    assert.deepEqual(order, ['create', 'start', 'die', 'destroy']);
  });

  test('inspect: whole as JSON, and by template', async () => {
    await docker('create', '--name', 'seen', '-e', 'A=1', '-p', '8099:80', '--memory', '32m', image, 'echo', 'a b');
    const [whole] = JSON.parse(await docker('inspect', 'seen')) as [Record<string, never>];
    for (const key of [
      'Id',
      'Created',
      'Path',
      'Args',
      'State',
      'Image',
      'HostConfig',
      'Mounts',
      'Config',
      'NetworkSettings',
    ]) {
      assert.ok(key in whole, key);
    }
    const template = '{{.Name}} {{.Path}} {{json .Args}} {{.HostConfig.Memory}} {{json .HostConfig.PortBindings}}';
    assert.equal(
      await docker('inspect', '-f', template, 'seen'),
      '/seen echo ["a b"] 33554432 {"80/tcp":[{"HostIp":"","HostPort":"8099"}]}',
    );
  });
});
