/** Restart policies: waits, counts, what calls them off, and what they do when the engine is killed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

engineSuite('restart policies', {}, (engine) => {
  const docker = dockerOf(engine);
  const run = (name: string, policy: string, ...command: string[]) =>
    docker.ok('run', '-d', `--name=${name}`, `--restart=${policy}`, busybox, ...command);
  const count = async (name: string) => Number(await docker.field(name, '{{.RestartCount}}'));
  const state = (name: string) => docker.field(name, '{{.State.Status}} {{.State.ExitCode}}');
  const reboot = async () => {
    await engine().stop('SIGKILL');
    await engine().start();
  };
  const failing = ['sh', '-c', 'exit 3'];

  test('on-failure gives up after its count, and leaves success alone', async () => {
    await Promise.all([run('bad', 'on-failure:2', ...failing), run('good', 'on-failure:2', 'true')]);
    await docker.becomes('bad', '{{.State.Status}} {{.RestartCount}}', 'exited 2');
    assert.equal(await state('bad'), 'exited 3');
    await docker.becomes('good', '{{.State.Status}} {{.RestartCount}}', 'exited 0');
    // A start by hand counts anew.
    await docker.ok('start', 'bad');
    await docker.becomes('bad', '{{.State.Status}} {{.RestartCount}}', 'exited 2');
  });

  test('a stop, a start and a removal while it waits', async () => {
    await run('loop', 'always', ...failing);
    // It waits for 3.2 s now: time enough for all that follows.
    await docker.becomes('loop', '{{ge .RestartCount 5}} {{.State.Status}}', 'true restarting');
    const refused = await docker('rm', 'loop');
    assert.match(refused.stderr, /container is restarting: stop the container before removing or force remove/);
    const { Id } = (await engine().api('GET', '/containers/loop/json')).json<{ Id: string }>();
    const again = await engine().api('POST', `/containers/${Id}/start`);
    assert.equal(again.status, 304, again.text);
    assert.equal(await docker.field('loop', '{{.State.Status}} {{ge .RestartCount 5}}'), 'restarting true');
    await docker.ok('stop', '-t=0', 'loop');
    assert.equal(await docker.field('loop', '{{.State.Status}}'), 'exited');
    await docker.ok('start', 'loop');
    await docker.becomes('loop', '{{ge .RestartCount 3}} {{.State.Status}}', 'true restarting');
    await docker.ok('rm', '-f', 'loop');
  });

  test('a restart that waited when the engine was killed comes with its count kept', { skip: isOracle() }, async () => {
    await run('kept', 'on-failure:5', ...failing);
    await docker.becomes('kept', '{{.RestartCount}} {{.State.Status}}', '4 restarting');
    await reboot();
    await docker.becomes('kept', '{{.State.Status}} {{.RestartCount}}', 'exited 5');
    const dies = await docker.ok(
      'events',
      '--since=0',
      `--until=${Date.now() / 1000}`,
      '--filter=container=kept',
      '--filter=event=die',
    );
    assert.equal(dies.split('\n').length, 6);
  });

  test('an end while the engine is away is handled by the policy', { skip: isOracle() }, async () => {
    const short = ['sh', '-c', 'sleep 1; exit 3'];
    await Promise.all([
      run('bad', 'on-failure:1', ...short),
      run('once', 'no', ...short),
      run('up', 'always', 'sleep', '1000'),
    ]);
    const pid = Number(await docker.field('up', '{{.State.Pid}}'));
    await engine().stop('SIGKILL');
    process.kill(pid, 'SIGKILL');
    await engine().start();
    await docker.becomes('up', '{{.State.Status}} {{.RestartCount}}', 'running 1');
    await docker.becomes('bad', '{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}', 'exited 3 1');
    await docker.becomes('once', '{{.State.Status}} {{.State.ExitCode}}', 'exited 3');
  });

  test('a stop by hand holds over a boot, except with always', { skip: isOracle() }, async () => {
    const policies = ['always', 'unless-stopped', 'on-failure', 'no'];
    await Promise.all(policies.map((policy) => run(policy, policy, 'sleep', '1000')));
    await docker.ok('stop', '-t=0', ...policies);
    await reboot();
    await docker.becomes('always', '{{.State.Status}}', 'running');
    for (const name of ['unless-stopped', 'on-failure', 'no']) assert.equal(await state(name), 'exited 137', name);
  });

  test('a stop that calls off a restart holds over a boot', { skip: isOracle() }, async () => {
    await run('loop', 'unless-stopped', ...failing);
    await docker.becomes('loop', '{{ge .RestartCount 2}} {{.State.Status}}', 'true restarting');
    await docker.ok('stop', 'loop');
    const before = await count('loop');
    await reboot();
    assert.deepEqual([await docker.field('loop', '{{.State.Status}}'), await count('loop')], ['exited', before]);
  });

  test('many that fail at once do no harm', async () => {
    const names = Array.from({ length: 6 }, (_, at) => `storm${at}`);
    await Promise.all(names.map((name) => run(name, 'always', ...failing)));
    await Promise.all(names.map((name) => docker.becomes(name, '{{ge .RestartCount 2}}', 'true')));
    const began = performance.now();
    await docker.ok('ps');
    assert.ok(performance.now() - began < 5000);
    await docker.ok('rm', '-f', ...names);
  });
});
