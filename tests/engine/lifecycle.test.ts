/** stop, kill, restart, wait, rm and the restart policies, over an engine's death too. */
import assert from 'node:assert/strict';
import { type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

/** Prints its signal and exits with its number, whatever comes. */
const trap =
  'for s in HUP:1 INT:2 QUIT:3 USR1:10 TERM:15; do trap "echo got ${s%:*}; exit ${s#*:}" ${s%:*}; done; echo ready; while :; do sleep 0.02; done';

engineSuite('stop, kill, restart, wait, remove', {}, (engine) => {
  const docker = dockerOf(engine);
  const seconds = () => String(Date.now() / 1000);
  const state = (name: string) => docker.field(name, '{{.State.Status}} {{.State.ExitCode}}');
  /** Runs `sh -c script` in the background; resolves when it has printed `ready`. */
  const start = async (name: string, script: string, ...flags: string[]) => {
    await docker.ok('run', '-d', `--name=${name}`, ...flags, busybox, 'sh', '-c', script);
    await eventually(`${name} is ready`, async () => (await docker.ok('logs', name)).includes('ready'), { every: 30 });
  };

  test('stop sends the right signal, and SIGKILL after the timeout', async () => {
    const deaf = 'trap "" TERM; echo ready; while :; do sleep 0.02; done';
    await Promise.all([
      start('plain', trap),
      start('configured', trap, '--stop-signal=USR1'),
      start('asked', trap),
      start('deaf', deaf),
      start('hasty', deaf, '--stop-timeout=1'),
      start('gone', 'echo ready'),
    ]);
    const begun = performance.now();
    await Promise.all([
      docker.ok('stop', 'plain'),
      docker.ok('stop', 'configured'),
      docker.ok('stop', '--signal=HUP', 'asked'),
      docker.ok('stop', '-t', '1', 'deaf'),
      docker.ok('stop', 'hasty'),
      docker.ok('stop', 'gone'),
    ]);
    assert.ok(performance.now() - begun < 9_000, 'no stop took the default timeout');
    const states = await Promise.all(['plain', 'configured', 'asked', 'deaf', 'hasty', 'gone'].map(state));
    assert.deepEqual(states, ['exited 15', 'exited 10', 'exited 1', 'exited 137', 'exited 137', 'exited 0']);
    const events = await docker.ok(
      'events',
      '--since=0',
      '--until',
      seconds(),
      '--filter=container=deaf',
      '--format={{.Action}} {{.Actor.Attributes.signal}}',
    );
    assert.deepEqual(events.split('\n').slice(-4), ['kill 15', 'kill 9', 'die <no value>', 'stop <no value>']);
  });

  test('kill: signals by name and number, errors for what does not run', async () => {
    await Promise.all([start('one', trap), start('two', trap)]);
    await docker.ok('kill', '-s', 'SIGUSR1', 'one');
    await docker.becomes('one', '{{.State.ExitCode}}', '10');
    await docker.ok('kill', '-s', '2', 'two');
    await docker.becomes('two', '{{.State.ExitCode}}', '2');
    const again = await docker('kill', 'one');
    assert.equal(again.code, 1);
    assert.match(again.stderr, /cannot kill container: one: container [0-9a-f]{64} is not running/);
    const unknown = await docker('kill', '-s', 'NOPE', 'one');
    assert.match(unknown.stderr, /invalid signal: NOPE/i);
  });

  test('wait: running, ended, removed, several at once', async () => {
    await docker.ok('run', '-d', '--name=ended', busybox, 'sh', '-c', 'exit 4');
    await start('first', trap);
    await start('second', trap);
    assert.equal(await docker.ok('wait', 'ended'), '4');
    const both = docker.ok('wait', 'first', 'second');
    const more = Promise.all(Array.from({ length: 5 }, () => docker.ok('wait', 'first')));
    await docker.ok('stop', 'first');
    await docker.ok('kill', '-s', 'HUP', 'second');
    assert.equal(await both, '15\n1');
    assert.deepEqual(
      await more,
      Array.from({ length: 5 }, () => '15'),
    );
    const none = await docker('wait', 'nobody');
    assert.equal(none.code, 1);
    assert.match(none.stderr, /No such container: nobody/);
    const removal = engine().api('POST', '/containers/ended/wait?condition=removed');
    await docker.ok('rm', 'ended');
    assert.deepEqual((await removal).json(), { StatusCode: 4 });
  });

  test('next-exit waits for the next run', async () => {
    await docker.ok('create', '--name=later', busybox, 'sh', '-c', 'exit 6');
    const next = engine().api('POST', '/containers/later/wait?condition=next-exit');
    assert.equal(await docker.ok('wait', 'later'), '0');
    await docker.ok('start', 'later');
    assert.deepEqual((await next).json(), { StatusCode: 6 });
  });

  test('restart: a new process, the same address book, also of what is stopped', async () => {
    await start('again', `date +%s%N > /stamp$(ls / | grep -c stamp); ${trap}`);
    const first = await docker.field('again', '{{.State.Pid}} {{.State.StartedAt}}');
    await docker.ok('restart', '-t', '1', 'again');
    assert.notEqual(await docker.field('again', '{{.State.Pid}} {{.State.StartedAt}}'), first);
    assert.equal(await docker.field('again', '{{.RestartCount}} {{.State.Running}}'), '0 true');
    await eventually(
      'its files are still there',
      async () => (await docker('exec', 'again', 'sh', '-c', 'ls / | grep -c stamp')).stdout === '2\n',
      { every: 50 },
    );
    await docker.ok('stop', '-t', '1', 'again');
    await docker.ok('restart', 'again');
    assert.equal(await docker.field('again', '{{.State.Running}}'), 'true');
    const events = await docker.ok(
      'events',
      '--since=0',
      '--until',
      seconds(),
      '--filter=container=again',
      '--filter=event=restart',
      '--format={{.Action}}',
    );
    assert.equal(events, 'restart\nrestart');
  });

  /** The head of the answer: it comes once the engine waits, so what is removed after it does not come first. */
  function beginToWait(name: string): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const path = `/containers/${name}/wait`;
    request({ socketPath: engine().paths.socket, method: 'POST', path, agent: false }, resolve)
      .on('error', reject)
      .end();
    return promise;
  }

  test('a removed container is gone with its name; rm -f ends what runs', async () => {
    await start('held', trap);
    const refused = await docker('rm', 'held');
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /cannot remove container "\/?held": container is running: stop the container before removing or force remove/,
    );
    const waiting = await beginToWait('held');
    await docker.ok('rm', '-f', 'held');
    assert.deepEqual(await json(waiting), { StatusCode: 137 });
    await docker.ok('create', '--name=held', busybox, 'true');
    assert.equal((await docker('rm', '-f', 'nobody')).code, 0);
    const missing = await docker('rm', 'nobody');
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /No such container: nobody/);
  });

  test('rename, start of what runs, stop of what is stopped, ambiguous prefixes', async () => {
    await start('old', trap);
    assert.equal((await engine().api('POST', '/containers/old/start')).status, 304);
    await docker.ok('stop', 'old');
    assert.equal((await engine().api('POST', '/containers/old/stop')).status, 304);
    const id = await docker.field('old', '{{.Id}}');
    assert.equal(await docker.field(id.slice(0, 7), '{{.Name}}'), '/old');
  });
});

engineSuite('restart policies', {}, (engine) => {
  const docker = dockerOf(engine);
  const failing = ['sh', '-c', 'echo run; exit 3'];

  test('on-failure counts, always goes on until it is stopped, a success ends on-failure', async () => {
    await Promise.all([
      docker.ok('run', '-d', '--name=twice', '--restart=on-failure:2', busybox, ...failing),
      docker.ok('run', '-d', '--name=fine', '--restart=on-failure', busybox, 'true'),
      docker.ok('run', '-d', '--name=ever', '--restart=always', busybox, 'true'),
      docker.ok('run', '-d', '--name=never', busybox, ...failing),
    ]);
    await docker.becomes('twice', '{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}}', 'exited 2 3');
    assert.equal(await docker.ok('logs', 'twice'), 'run\nrun\nrun');
    assert.equal(await docker.field('fine', '{{.State.Status}} {{.RestartCount}}'), 'exited 0');
    assert.equal(await docker.field('never', '{{.State.Status}} {{.RestartCount}}'), 'exited 0');
    await eventually(
      'it was restarted often',
      async () => Number(await docker.field('ever', '{{.RestartCount}}')) >= 3,
      { every: 50 },
    );
    await docker.ok('stop', 'ever');
    assert.equal(await docker.field('ever', '{{.State.Status}} {{.State.Restarting}}'), 'exited false');
    const count = await docker.field('ever', '{{.RestartCount}}');
    await docker.becomes('ever', '{{.RestartCount}} {{.State.Status}}', `${count} exited`);
  });

  test('a process that is killed from outside is restarted, one that docker kills is not', async () => {
    await docker.ok('run', '-d', '--name=crash', '--restart=unless-stopped', busybox, 'sleep', '1000');
    const pid = await docker.field('crash', '{{.State.Pid}}');
    process.kill(Number(pid), 'SIGKILL');
    await eventually('it has a new process', async () => {
      const now = await docker.field('crash', '{{.State.Pid}} {{.State.Running}}');
      return now.endsWith(' true') && !now.startsWith('0 ') && !now.startsWith(`${pid} `);
    });
    await docker.ok('kill', 'crash');
    assert.equal(await docker.field('crash', '{{.State.Status}} {{.State.ExitCode}}'), 'exited 137');
  });

  test('after an engine restart, each policy does what Docker says', async () => {
    const sleeper = ['sleep', '1000'];
    await Promise.all([
      docker.ok('run', '-d', '--name=always-up', '--restart=always', busybox, ...sleeper),
      docker.ok('run', '-d', '--name=always-stopped', '--restart=always', busybox, ...sleeper),
      docker.ok('run', '-d', '--name=unless-up', '--restart=unless-stopped', busybox, ...sleeper),
      docker.ok('run', '-d', '--name=unless-stopped', '--restart=unless-stopped', busybox, ...sleeper),
      docker.ok('run', '-d', '--name=no-up', busybox, ...sleeper),
      docker.ok('run', '-d', '--name=failure-up', '--restart=on-failure', busybox, ...sleeper),
      docker.ok('create', '--name=never-started', '--restart=always', busybox, ...sleeper),
    ]);
    await docker.ok('stop', '-t', '0', 'always-stopped', 'unless-stopped');
    const pids = new Map<string, number>();
    for (const name of ['always-up', 'unless-up', 'no-up', 'failure-up']) {
      pids.set(name, Number(await docker.field(name, '{{.State.Pid}}')));
    }
    await engine().stop('SIGKILL');
    // While the engine is away all of them end.
    for (const pid of pids.values()) process.kill(pid, 'SIGKILL');
    for (const pid of pids.values()) await eventually('its process is gone', () => !isAlive(pid));
    await engine().start();
    for (const name of ['always-up', 'unless-up', 'failure-up', 'always-stopped']) {
      await docker.becomes(name, '{{.State.Status}}', 'running');
    }
    const others = await Promise.all(
      ['unless-stopped', 'no-up', 'never-started'].map((name) =>
        docker.field(name, '{{.State.Status}} {{.State.ExitCode}}'),
      ),
    );
    assert.deepEqual(others, ['exited 137', 'exited 137', 'created 0']);
  });

  test('a waiting restart is there again after kill -9, and can be called off', async () => {
    await docker.ok('run', '-d', '--name=loop', '--restart=always', busybox, ...failing);
    await eventually(
      'it waits longer and longer',
      async () => Number(await docker.field('loop', '{{.RestartCount}}')) >= 3,
      { every: 50 },
    );
    await engine().stop('SIGKILL');
    await engine().start();
    const before = (await docker.ok('logs', 'loop')).length;
    await eventually('it runs again', async () => (await docker.ok('logs', 'loop')).length > before, { every: 50 });
    await docker.ok('rm', '-f', 'loop');
    assert.equal(await docker.ok('ps', '-aq'), '');
  });

  test('--rm is kept over kill -9', async () => {
    await docker.ok('run', '-d', '--rm', '--name=brief', busybox, 'sleep', '1000');
    await docker.ok('run', '-d', '--rm', '--name=long', busybox, 'sleep', '1000');
    const pid = Number(await docker.field('brief', '{{.State.Pid}}'));
    await engine().stop('SIGKILL');
    process.kill(pid, 'SIGKILL');
    await eventually('its process is gone', () => !isAlive(pid));
    await engine().start();
    await eventually('what ended meanwhile is removed', async () => (await docker('inspect', 'brief')).code === 1);
    await docker.ok('kill', 'long');
    await eventually('what ends now is removed', async () => (await docker.ok('ps', '-aq')) === '');
  });

  test('rm with a restart policy needs a stop, --rm excludes one', async () => {
    const both = await docker('run', '--rm', '--restart=always', busybox, 'true');
    assert.match(both.stderr, /conflicting options|can't create 'AutoRemove' container with restart policy/);
    const wrong = await docker('create', '--restart=always:3', busybox, 'true');
    assert.match(wrong.stderr, /invalid restart policy: maximum retry count can only be used with 'on-failure'/i);
  });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
