/** What Docker does not have: probes by the engine itself, and what an unhealthy container gets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gantryProgram } from '../support/gantry-command.ts';
import { isOracle } from '../support/engine.ts';
import { must } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

const serve = 'mkdir -p /www && echo fine > /www/health && exec httpd -f -p 8080 -h /www';

engineSuite('health checks by the engine', { skip: isOracle() && 'Docker has none' }, (engine) => {
  const docker = dockerOf(engine);
  const start = async (name: string, health: object, body: object = {}) => {
    const Healthcheck = { Interval: 1e8, Timeout: 1e9, Retries: 1, ...health };
    const request = { Image: busybox, Cmd: ['sh', '-c', serve], Healthcheck, ...body };
    const answer = await engine().api('POST', `/containers/create?name=${name}`, request);
    assert.equal(answer.status, 201, answer.text);
    await docker.ok('start', name);
  };
  const becomes = (name: string, status: string) => docker.becomes(name, '{{.State.Health.Status}}', status);
  const output = (name: string) => docker.field(name, '{{(index .State.Health.Log 0).Output}}');
  const http = { Test: ['HTTP', 'http://localhost:8080/health'] };

  test('HTTP and TCP, in whatever network', async () => {
    await start('web', http);
    await Promise.all([
      start('tcp', { Test: ['TCP', '8080'] }),
      start('alone', http, { HostConfig: { NetworkMode: 'none' } }),
      start('guest', http, { Cmd: ['sleep', '1000'], HostConfig: { NetworkMode: 'container:web' } }),
      start('lost', { Test: ['HTTP', 'http://127.0.0.1:8080/lost'] }),
      start('deaf', { Test: ['TCP', '[::1]:81'] }, { Cmd: ['sleep', '1000'] }),
    ]);
    await Promise.all(['web', 'tcp', 'alone', 'guest'].map((name) => becomes(name, 'healthy')));
    await Promise.all(['lost', 'deaf'].map((name) => becomes(name, 'unhealthy')));
    assert.match(await output('web'), /^HTTP\/1\.1 200 OK\nfine/);
    assert.match(await output('lost'), /^HTTP\/1\.1 404 Not Found/);
    assert.equal((await output('deaf')).trim(), 'TCP check of [::1]:81 failed: connection refused');
    const events = await docker.ok('events', '--since=0', `--until=${Date.now() / 1000}`, '--filter=event=exec_create');
    assert.equal(events, '');
  });

  test('a server that never answers costs its time-out only', async () => {
    const Cmd = ['sh', '-c', 'exec nc -ll -p 8080 -e sleep 1000'];
    await start('mute', { ...http, Timeout: 2e8 }, { Cmd });
    await becomes('mute', 'unhealthy');
    assert.equal(await output('mute'), 'Health check exceeded timeout (200ms)');
    await docker.ok('stop', '-t=0', 'mute');
  });

  test('--health-on-failure', async () => {
    const failing = { Test: ['TCP', '9'] };
    const Cmd = ['sleep', '1000'];
    await Promise.all([
      start('none', { ...failing, OnFailure: 'none' }, { Cmd }),
      start('kill', { ...failing, OnFailure: 'kill' }, { Cmd }),
      start(
        'stop',
        { ...failing, OnFailure: 'stop' },
        { Cmd, HostConfig: { RestartPolicy: { Name: 'always' } }, StopTimeout: 0 },
      ),
      start('again', { ...failing, OnFailure: 'kill' }, { Cmd, HostConfig: { RestartPolicy: { Name: 'on-failure' } } }),
      start('restart', { ...failing, OnFailure: 'restart' }, { Cmd, StopTimeout: 0 }),
      start('rm', { ...failing, OnFailure: 'stop' }, { Cmd, StopTimeout: 0, HostConfig: { AutoRemove: true } }),
    ]);
    await becomes('none', 'unhealthy');
    await docker.becomes('kill', '{{.State.Status}} {{.State.ExitCode}}', 'exited 137');
    await docker.becomes('stop', '{{.State.Status}} {{.State.ExitCode}}', 'exited 137');
    for (const name of ['again', 'restart']) {
      await docker.becomes(name, '{{ge .RestartCount 2}}', 'true');
      await docker.ok('stop', '-t=0', name);
      assert.equal(await docker.field(name, '{{.State.Status}}'), 'exited');
    }
    await eventually('it is removed', async () => (await docker('inspect', 'rm')).code !== 0);
    assert.equal(await docker.field('none', '{{.State.Status}}'), 'running');
  });

  test('a restart that is due outlives the engine', async () => {
    await start('phoenix', { Test: ['TCP', '9'], OnFailure: 'restart' }, { Cmd: ['sleep', '1000'], StopTimeout: 0 });
    await docker.becomes('phoenix', '{{ge .RestartCount 3}}', 'true');
    await engine().stop('SIGKILL');
    await engine().start();
    await docker.becomes('phoenix', '{{ge .RestartCount 5}}', 'true');
  });

  test('the status is known again after the engine was killed, and the checks go on', async () => {
    await start('kept', http);
    // The event is told when it is on disk.
    await eventually('its health is recorded', async () => {
      const until = `--until=${Date.now() / 1000}`;
      return (await docker.ok('events', '--since=0', until, '--filter=container=kept')).includes(
        'health_status: healthy',
      );
    });
    await engine().stop('SIGKILL');
    await engine().start();
    assert.match(await docker.ok('ps', '--format={{.Status}}'), /\(healthy\)$/);
    await docker.ok('exec', 'kept', 'rm', '/www/health');
    await becomes('kept', 'unhealthy');
  });

  test('flags of the command line', async () => {
    const [program, ...first] = gantryProgram;
    const gantry = (...args: string[]) =>
      must(program, [...first, ...args], { timeout: 60_000, env: engine().clientEnv() });
    await gantry(
      'run',
      '-d',
      '--name=web',
      '--health-http=8080/health',
      '--health-interval=100ms',
      busybox,
      'sh',
      '-c',
      serve,
    );
    await gantry(
      'run',
      '-d',
      '--name=tcp',
      '--health-tcp=9',
      '--health-retries=1',
      '--health-interval=100ms',
      '--health-on-failure=kill',
      busybox,
      'sleep',
      '1000',
    );
    await becomes('web', 'healthy');
    await docker.becomes('tcp', '{{.State.ExitCode}}', '137');
    assert.match(
      await gantry('ps', '--filter=health=healthy', '--format={{.Names}} {{.Status}}'),
      /^web Up .* \(healthy\)$/,
    );
  });

  test('bad settings are named', async () => {
    const create = async (Healthcheck: unknown) => {
      const answer = await engine().api('POST', '/containers/create', { Image: busybox, Cmd: ['true'], Healthcheck });
      return [answer.status, answer.json<{ message: string }>().message] as const;
    };
    const cases: [object, RegExp][] = [
      [{ Test: ['HTTP', 'localhost'] }, /invalid URL of the HTTP health check "localhost": it is no URL/],
      [{ Test: ['HTTP', 'http://db/'] }, /the host must be localhost or an IP address/],
      [{ Test: ['TCP', '70000'] }, /invalid address of the TCP health check "70000": the port must be 1 to 65535/],
      [{ Test: ['CMD', 'true'], OnFailure: 'explode' }, /invalid on-failure action of the health check "explode"/],
      [{ OnFailure: 'kill' }, /cannot set on-failure action to kill without a health check/],
      [{ Test: ['NONE'], OnFailure: 'restart' }, /cannot set on-failure action to restart without a health check/],
      [{ Test: ['UDP', '1'] }, /unknown health check type "UDP"/],
    ];
    for (const [health, message] of cases) {
      const [status, text] = await create(health);
      assert.equal(status, 400, text);
      assert.match(text, message);
    }
  });
});
