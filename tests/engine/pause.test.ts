import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

const counter = ['sh', '-c', 'i=0; while :; do i=$((i+1)); echo $i; usleep 20000; done'];

engineSuite('pause and unpause', {}, (engine) => {
  const docker = dockerOf(engine);
  const lines = async (name: string): Promise<number> => (await docker.ok('logs', name)).split('\n').length;
  const runsOn = async (name: string): Promise<void> => {
    const before = await lines(name);
    await eventually(`${name} runs on`, async () => (await lines(name)) > before + 3);
  };
  const ask = async (method: string, path: string, body?: unknown): Promise<[number, string]> => {
    const answer = await engine().api(method, path, body);
    return [answer.status, answer.text === '' ? '' : answer.json<{ message: string }>().message];
  };
  const actions = async (name: string, since: number): Promise<string[]> => {
    const range = ['--since', String(since), '--until', String(Date.now() / 1000 + 0.001)];
    const text = await docker.ok('events', ...range, '--filter', `container=${name}`, '--format', '{{.Action}}');
    return text.split('\n');
  };

  test('processes stand still and run on; every view tells so', async () => {
    const since = Date.now() / 1000;
    await docker.ok('run', '-d', '--name', 'pulse', busybox, ...counter);
    await runsOn('pulse');
    assert.equal(await docker.ok('pause', 'pulse'), 'pulse');
    const halted = await docker.ok('logs', 'pulse');
    assert.equal(
      await docker.field('pulse', '{{.State.Status}} {{.State.Running}} {{.State.Paused}} {{ne .State.Pid 0}}'),
      'paused true true true',
    );
    assert.match(await docker.ok('ps', '--format', '{{.Status}}|{{.State}}'), /^Up .*\(Paused\)\|paused$/);
    assert.equal(await docker.ok('ps', '--filter', 'status=paused', '--format', '{{.Names}}'), 'pulse');
    assert.equal(await docker.ok('ps', '-a', '--filter', 'status=running', '-q'), '');
    assert.equal(
      await docker.ok('info', '-f', '{{.ContainersRunning}} {{.ContainersPaused}} {{.ContainersStopped}}'),
      '0 1 0',
    );
    const stats = JSON.parse((await engine().api('GET', '/containers/pulse/stats?stream=false')).text) as {
      pids_stats: { current: number };
    };
    assert.ok(stats.pids_stats.current >= 1);
    assert.equal(await docker.ok('logs', 'pulse'), halted);
    assert.equal(await docker.ok('unpause', 'pulse'), 'pulse');
    await runsOn('pulse');
    assert.equal(await docker.field('pulse', '{{.State.Status}} {{.State.Paused}}'), 'running false');
    assert.deepEqual(await actions('pulse', since), ['create', 'start', 'pause', 'unpause']);
  });

  test('what a paused container refuses, in Docker’s words', async () => {
    const id = await docker.ok('run', '-d', '--name', 'still', busybox, 'sleep', '1000');
    const exec = (await engine().api('POST', '/containers/still/exec', { Cmd: ['true'] })).json<{ Id: string }>().Id;
    await docker.ok('pause', 'still');
    assert.deepEqual(await ask('POST', '/containers/still/pause'), [409, `Container ${id} is already paused`]);
    assert.deepEqual(await ask('POST', '/containers/still/start'), [
      409,
      'cannot start a paused container, try unpause instead',
    ]);
    const refused = `Container ${id} is paused, unpause the container before exec`;
    assert.deepEqual(await ask('POST', `/containers/${id}/exec`, { Cmd: ['true'] }), [409, refused]);
    assert.deepEqual(await ask('POST', `/exec/${exec}/start`, { Detach: true }), [409, refused]);
    const attach = await engine().api('POST', '/containers/still/attach?stream=1&stdout=1');
    assert.equal(attach.status, 409);
    assert.match(attach.text, /container still is paused, unpause the container before attach/);
    assert.deepEqual(await ask('DELETE', '/containers/still'), [
      409,
      'cannot remove container "still": container is paused and must be unpaused first',
    ]);
    await docker.ok('unpause', 'still');
    assert.deepEqual(await ask('POST', '/containers/still/unpause'), [500, `Container ${id} is not paused`]);
  });

  test('wrong states and names', async () => {
    const id = await docker.ok('create', '--name', 'idle', busybox, 'true');
    assert.deepEqual(await ask('POST', '/containers/idle/pause'), [409, `container ${id} is not running`]);
    assert.deepEqual(await ask('POST', '/containers/idle/unpause'), [500, `Container ${id} is not paused`]);
    assert.deepEqual(await ask('POST', '/containers/nobody/pause'), [404, 'No such container: nobody']);
    assert.deepEqual(await ask('POST', '/containers/nobody/unpause'), [404, 'No such container: nobody']);
    const { code, stderr } = await docker('pause', 'idle', 'nobody');
    assert.equal(code, 1);
    assert.match(stderr, /is not running[^]*No such container: nobody/);
  });

  for (const [how, command, exit] of [
    ['stop', ['stop', '-t', '10'], 'exited 7'],
    ['kill', ['kill'], 'exited 137'],
  ] as const) {
    test(`${how} ends a paused container at once`, async () => {
      const script = 'trap "exit 7" TERM; echo up; while :; do usleep 20000; done';
      await docker.ok('run', '-d', '--name', 'held', busybox, 'sh', '-c', script);
      await eventually('the trap is set', async () => (await docker.ok('logs', 'held')).includes('up'));
      await docker.ok('pause', 'held');
      const since = Date.now() / 1000;
      await docker.ok(...command, 'held');
      assert.equal(await docker.field('held', '{{.State.Status}} {{.State.ExitCode}}'), exit);
      assert.equal(await docker.field('held', '{{.State.Paused}}'), 'false');
      const seen = await eventually('the end is told', async () => {
        const all = await actions('held', since);
        return all.includes(how === 'stop' ? 'stop' : 'die') && all;
      });
      // The order of what happens at once is nobody's promise, nor that Docker sees what it killed run on.
      const told = how === 'stop' ? seen : seen.filter((action) => action !== 'unpause');
      const expected = how === 'stop' ? ['die', 'kill', 'stop', 'unpause'] : ['die', 'kill'];
      assert.deepEqual([...told].sort(), expected);
    });
  }

  test('restart and rm -f of a paused container', async () => {
    await docker.ok('run', '-d', '--name', 'held', busybox, ...counter);
    await docker.ok('pause', 'held');
    await docker.ok('restart', '-t', '0', 'held');
    assert.equal(await docker.field('held', '{{.State.Status}}'), 'running');
    await docker.ok('pause', 'held');
    await docker.ok('rm', '-f', 'held');
    assert.equal(await docker.ok('ps', '-aq'), '');
  });

  test('a paused container stays paused over a kill -9 of the engine', { skip: isOracle() }, async () => {
    await docker.ok('run', '-d', '--name', 'held', busybox, ...counter);
    await docker.ok('pause', 'held');
    const halted = await docker.ok('logs', 'held');
    await engine().stop('SIGKILL');
    await engine().start();
    assert.equal(await docker.field('held', '{{.State.Status}}'), 'paused');
    assert.equal(await docker.ok('logs', 'held'), halted);
    await docker.ok('unpause', 'held');
    await runsOn('held');
    await docker.ok('pause', 'held');
    await engine().stop('SIGKILL');
    await engine().start();
    await docker.ok('rm', '-f', 'held');
  });
});
