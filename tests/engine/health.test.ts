/** Health checks: states, events, what `ps` shows, time-outs, and what ends them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

interface HealthView {
  readonly Status: string;
  readonly FailingStreak: number;
  readonly Log: readonly { Start: string; End: string; ExitCode: number; Output: string }[];
}

engineSuite('health checks', {}, (engine) => {
  const docker = dockerOf(engine);
  const checked = (command: string, ...flags: string[]) =>
    docker.ok(
      'run',
      '-d',
      '--name=one',
      `--health-cmd=${command}`,
      '--health-interval=100ms',
      ...flags,
      busybox,
      'sleep',
      '1000',
    );
  const health = async (name = 'one') => JSON.parse(await docker.field(name, '{{json .State.Health}}')) as HealthView;
  const becomes = (status: string) => docker.becomes('one', '{{.State.Health.Status}}', status);
  const status = (...flags: string[]) => docker.ok('ps', '--format={{.Status}}', ...flags);
  const eventsOf = async (...filters: string[]) => {
    const now = String(Date.now() / 1000);
    const list = filters.map((filter) => `--filter=${filter}`);
    const text = await docker.ok(
      'events',
      '--since=0',
      `--until=${now}`,
      '--filter=container=one',
      '--format={{.Action}}',
      ...list,
    );
    return text.split('\n').filter((line) => line !== '');
  };

  test('starting, healthy, unhealthy, and healthy again', async () => {
    await checked(
      'test -e /well && echo fine || { echo ill; false; }',
      '--health-retries=2',
      '--health-interval=400ms',
    );
    assert.match(await status(), /^Up .* \(health: starting\)$/);
    assert.deepEqual(await health(), { Status: 'starting', FailingStreak: 0, Log: [] });
    await becomes('unhealthy');
    assert.match(await status(), /^Up .* \(unhealthy\)$/);
    await docker.ok('exec', 'one', 'touch', '/well');
    await becomes('healthy');
    assert.match(await status(), /^Up .* \(healthy\)$/);
    const { FailingStreak, Log } = await health();
    assert.equal(FailingStreak, 0);
    const last = Log.at(-1);
    assert.deepEqual([last?.ExitCode, last?.Output], [0, 'fine\n']);
    assert.deepEqual([Log[0]?.ExitCode, Log[0]?.Output], [1, 'ill\n']);
    assert.ok(Date.parse(last?.Start ?? '') <= Date.parse(last?.End ?? ''), JSON.stringify(last));
    assert.deepEqual(await eventsOf('event=health_status'), ['health_status: unhealthy', 'health_status: healthy']);
    const all = await eventsOf();
    const command = '/bin/sh -c test -e /well && echo fine || { echo ill; false; }';
    const at = all.indexOf(`exec_create: ${command}`);
    assert.deepEqual(all.slice(at, at + 3), [`exec_create: ${command}`, `exec_start: ${command}`, 'exec_die']);
  });

  test('five entries of 4096 bytes are kept', async () => {
    await checked('head -c 5000 /dev/zero | tr "\\0" x; exit 3', '--health-retries=100');
    await docker.becomes('one', '{{len .State.Health.Log}}', '5');
    const first = (await health()).Log[0]?.Start;
    await docker.becomes('one', `{{eq (index .State.Health.Log 0).Start "${first}"}}`, 'false');
    const { Log, FailingStreak, Status } = await health();
    assert.equal(Log.length, 5);
    assert.ok(FailingStreak >= 6);
    assert.equal(Status, 'starting');
    assert.equal(Log[4]?.ExitCode, 3);
    assert.equal(Log[4]?.Output, `${'x'.repeat(4096)}...`);
  });

  test('a check that takes too long is killed with what it started', async () => {
    await checked(
      'echo begun; sleep 987 & sleep 986',
      '--health-timeout=300ms',
      '--health-retries=1',
      '--health-interval=1s',
    );
    await becomes('unhealthy');
    const { Log } = await health();
    assert.deepEqual([Log[0]?.ExitCode, Log[0]?.Output], [-1, 'Health check exceeded timeout (300ms): begun\n']);
    // Docker kills the check's first process alone.
    if (isOracle()) return;
    assert.doesNotMatch(await docker.ok('top', 'one').catch(() => docker.ok('exec', 'one', 'ps')), /sleep 98[67]/);
  });

  test('a check that cannot be carried out is a failed one', async () => {
    await docker.ok(
      'run',
      '-d',
      '--name=one',
      '--health-cmd=true',
      '--health-interval=100ms',
      '--health-retries=1',
      '--user=12:34',
      busybox,
      'sleep',
      '1000',
    );
    await becomes('healthy');
    await docker.ok('rm', '-f', 'one');
    const Healthcheck = { Test: ['CMD', 'no-such-command'], Interval: 1e8, Retries: 1 };
    await engine().api('POST', '/containers/create?name=one', { Image: busybox, Cmd: ['sleep', '1000'], Healthcheck });
    await docker.ok('start', 'one');
    await becomes('unhealthy');
    const { Log } = await health();
    assert.notEqual(Log[0]?.ExitCode, 0);
    assert.match(Log[0]?.Output ?? '', /executable file not found in \$PATH/);
  });

  test('the shell of the container, its user and its directory', async () => {
    const Healthcheck = { Test: ['CMD-SHELL', 'echo $0 $(id -u) $(pwd) $FROM'], Interval: 1e8 };
    const body = {
      Image: busybox,
      Cmd: ['sleep', '1000'],
      Healthcheck,
      Shell: ['/bin/ash', '-e', '-c'],
      User: '1000',
      WorkingDir: '/tmp',
      Env: ['FROM=env'],
    };
    assert.equal((await engine().api('POST', '/containers/create?name=one', body)).status, 201);
    await docker.ok('start', 'one');
    await becomes('healthy');
    assert.equal((await health()).Log[0]?.Output, '/bin/ash 1000 /tmp env\n');
  });

  test('in the start period failures do not count, and checks come more often', async () => {
    await checked(
      'test -e /well',
      '--health-interval=100s',
      '--health-retries=1',
      '--health-start-period=50s',
      '--health-start-interval=100ms',
    );
    await docker.becomes('one', '{{len .State.Health.Log}}', '3');
    assert.deepEqual([(await health()).Status, (await health()).FailingStreak], ['starting', 0]);
    await docker.ok('exec', 'one', 'touch', '/well');
    await becomes('healthy');
  });

  test('a pause and a stop end the checks, a restart begins anew', async () => {
    await checked('true');
    await becomes('healthy');
    await docker.ok('pause', 'one');
    assert.match(await status(), /^Up .* \(Paused\)$/);
    assert.equal((await health()).Status, 'unhealthy');
    await docker.ok('unpause', 'one');
    await becomes('healthy');
    await docker.ok('stop', '-t=0', 'one');
    const stopped = await health();
    assert.equal(stopped.Status, 'unhealthy');
    assert.match(await status('-a'), /^Exited \(137\)/);
    await docker.ok('update', '--restart=no', 'one').catch(() => undefined);
    await docker.ok('start', 'one');
    assert.match(await status(), /starting/);
    await becomes('healthy');
  });

  test('a check under way does not keep the container from stopping', async () => {
    await docker.ok(
      'run',
      '-d',
      '--name=one',
      '--health-cmd=trap "" TERM; sleep 1000',
      '--health-interval=50ms',
      '--init',
      busybox,
      'sleep',
      '1000',
    );
    await docker.becomes('one', '{{len .ExecIDs}}', '1');
    const began = performance.now();
    await docker.ok('stop', '-t=5', 'one');
    assert.ok(performance.now() - began < 4000);
    assert.equal(await docker.field('one', '{{.State.ExitCode}}'), '143');
  });

  test('filters, NONE, and no check at all', async () => {
    await checked('true');
    await docker.ok('run', '-d', '--name=plain', busybox, 'sleep', '1000');
    await docker.ok('run', '-d', '--name=off', '--no-healthcheck', busybox, 'sleep', '1000');
    await becomes('healthy');
    const names = async (filter: string) =>
      (await docker.ok('ps', '--format={{.Names}}', `--filter=health=${filter}`)).split('\n').sort();
    assert.deepEqual(await names('healthy'), ['one']);
    assert.deepEqual(await names('none'), ['off', 'plain']);
    assert.deepEqual(await names('starting'), ['']);
    for (const name of ['plain', 'off']) assert.equal(await docker.field(name, '{{if .State.Health}}some{{end}}'), '');
    assert.equal(await docker.field('off', '{{json .Config.Healthcheck.Test}}'), '["NONE"]');
    const bad = await docker('ps', '--filter=health=fine');
    assert.notEqual(bad.code, 0);
    assert.equal(
      bad.stderr.trim(),
      "Error response from daemon: invalid filter 'health=fine': invalid value for health (fine): " +
        'must be one of none, starting, healthy, unhealthy',
    );
    const prefix = await engine().api('GET', '/v1.48/containers/json?filters={"name":["plain"]}');
    assert.equal('Health' in (prefix.json<object[]>()[0] ?? {}), false);
  });

  test("bad settings are refused in Docker's words", async () => {
    const create = async (Healthcheck: unknown) => {
      const answer = await engine().api('POST', '/containers/create', { Image: busybox, Cmd: ['true'], Healthcheck });
      return [answer.status, answer.json<{ message: string }>().message];
    };
    assert.deepEqual(await create({ Test: ['CMD', 'x'], Interval: 5 }), [
      400,
      'Interval in Healthcheck cannot be less than 1ms',
    ]);
    assert.deepEqual(await create({ Timeout: 5 }), [400, 'Timeout in Healthcheck cannot be less than 1ms']);
    assert.deepEqual(await create({ StartPeriod: 999 }), [400, 'StartPeriod in Healthcheck cannot be less than 1ms']);
    assert.deepEqual(await create({ StartInterval: -1 }), [
      400,
      'StartInterval in Healthcheck cannot be less than 1ms',
    ]);
    assert.deepEqual(await create({ Retries: -1 }), [400, 'Retries in Healthcheck cannot be negative']);
    const [status_] = await create({ Test: 'true' });
    assert.equal(status_, 400);
  });
});
