/** Execs that are listed, killed, end with their client, and are found again by the next engine. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { must, run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

interface ExecView {
  readonly ID: string;
  readonly Running: boolean;
  readonly ExitCode: number | null;
  readonly Pid: number;
  readonly ProcessConfig: { readonly entrypoint: string; readonly arguments: readonly string[] };
  readonly Created: string;
}

engineSuite('exec sessions', { skip: isOracle() && 'Docker has none' }, (engine) => {
  const docker = dockerOf(engine);
  const host = (...flags: string[]) => docker.ok('run', '-d', '--name=host', ...flags, busybox, 'sleep', '1000');
  const list = async () => (await engine().api('GET', '/containers/host/exec/json')).json<ExecView[]>();
  const begin = async (script: string, more: object = {}) => {
    const body = { Cmd: ['sh', '-c', script], AttachStdout: true, ...more };
    const { Id } = (await engine().api('POST', '/containers/host/exec', body)).json<{ Id: string }>();
    assert.equal((await engine().api('POST', `/exec/${Id}/start`, { Detach: true })).status, 200);
    return Id;
  };
  const kill = async (id: string, signal = '') => {
    const answer = await engine().api('POST', `/exec/${id}/kill${signal === '' ? '' : `?signal=${signal}`}`);
    return [answer.status, answer.status < 300 ? '' : answer.json<{ message: string }>().message];
  };
  const inspect = async (id: string) => (await engine().api('GET', `/exec/${id}/json`)).json<ExecView>();
  const processes = () => docker.ok('exec', 'host', 'ps', '-o', 'args');
  const shows = (text: string) =>
    eventually(`${text} runs`, async () => (await processes()).includes(text), { timeout: 30_000 });

  test('are listed, and killed with everything they started', async () => {
    await host();
    const id = await begin('(sleep 801 & sleep 802) & setsid sleep 803 & sleep 804');
    await shows('sleep 804');
    const [shown] = await list();
    assert.equal(shown?.ID, id);
    assert.deepEqual([shown?.Running, shown?.ProcessConfig.entrypoint], [true, 'sh']);
    assert.ok(Date.parse(shown?.Created ?? '') > 0);
    assert.deepEqual(await kill(id.slice(0, 12)), [204, '']);
    assert.equal((await inspect(id)).ExitCode, 137);
    assert.doesNotMatch(await processes(), /sleep 80/);
    assert.match(await processes(), /sleep 1000/);
    assert.deepEqual(await kill(id), [409, `exec ${id} is not running`]);
  });

  test('get other signals by name, for their first process', async () => {
    await host();
    const id = await begin('trap "exit 7" TERM; while :; do sleep 0.1; done');
    await shows('trap');
    assert.deepEqual(await kill(id, 'TERM'), [204, '']);
    await eventually('it has ended', async () => (await inspect(id)).ExitCode === 7);
    const other = await begin('sleep 100');
    assert.deepEqual(await kill(other, 'LOUD'), [400, 'invalid signal: LOUD']);
    assert.deepEqual(await kill('0'.repeat(64)), [404, `No such exec instance: ${'0'.repeat(64)}`]);
    await docker.ok('pause', 'host');
    assert.equal((await kill(other))[0], 409);
    await docker.ok('unpause', 'host');
    assert.equal((await engine().api('GET', '/containers/nobody/exec/json')).status, 404);
  });

  test('end with the container', async () => {
    await host();
    const id = await begin('sleep 900');
    await docker.ok('stop', '-t=0', 'host');
    await eventually('it has ended', async () => (await inspect(id)).ExitCode === 137);
  });

  test('end with their client when they shall', async () => {
    await host();
    const [program, ...first] = gantryProgram;
    const gantry = (...args: string[]) =>
      run(program, [...first, ...args], { timeout: 60_000, env: engine().clientEnv() });
    const quick = await gantry('exec', '--kill-on-disconnect', 'host', 'sh', '-c', 'sleep 1.2; echo out; exit 4');
    assert.deepEqual([quick.code, quick.stdout], [4, 'out\n']);
    for (const flags of [[], ['-i'], ['-t']]) {
      const command = ['exec', ...flags, '--kill-on-disconnect', 'host', 'sleep', '821'];
      const env = { ...process.env, ...engine().clientEnv() };
      const client = spawn(program, [...first, ...command], { env, stdio: ['pipe', 'inherit', 'inherit'] });
      await shows('sleep 821');
      client.kill('SIGKILL');
      await eventually('it is gone', async () => !(await processes()).includes('sleep 821'));
    }
  });

  test('are found again by an engine after one that was killed', async () => {
    await host('--health-cmd=sleep 702', '--health-interval=50ms');
    const [one, two, three] = [
      await begin('sleep 701'),
      await begin('sleep 704', { Tty: true }),
      await begin('sleep 1; exit 9'),
    ];
    const bound = await begin('sleep 703', { KillOnDisconnect: true });
    await shows('sleep 702');
    const third = (await inspect(three)).Pid;
    await engine().stop('SIGKILL');
    await eventually('the third has ended', async () => !existsSync(`/proc/${third}`));
    await engine().start();
    const running = (await list()).filter(({ Running }) => Running).map(({ ID }) => ID);
    assert.ok(running.includes(one) && running.includes(two));
    assert.doesNotMatch(await processes(), /sleep 703/);
    assert.equal((await inspect(bound)).ExitCode, 137);
    await eventually('the third has ended', async () => (await inspect(three)).ExitCode === 9);
    assert.deepEqual(await kill(one), [204, '']);
    assert.equal((await inspect(one)).ExitCode, 137);
    await docker.ok('rm', '-f', 'host');
  });

  test('an engine ends while one runs', async () => {
    await host();
    const id = await begin('sleep 705');
    await engine().stop('SIGTERM');
    await engine().start();
    assert.equal((await inspect(id)).Running, true);
  });

  test('the command line', async () => {
    await host();
    const [program, ...first] = gantryProgram;
    const gantry = (...args: string[]) =>
      must(program, [...first, ...args], { timeout: 60_000, env: engine().clientEnv() });
    const id = await begin('sleep 811');
    assert.match(
      await gantry('execs', 'host'),
      /^EXEC ID +COMMAND +STATUS +PID +USER\n[0-9a-f]{12} +sh -c sleep 811 +Running +\d+ */,
    );
    assert.equal(await gantry('container', 'execs', '-q', '--no-trunc', 'host'), id);
    assert.equal(await gantry('kill-exec', id.slice(0, 12)), id.slice(0, 12));
    assert.equal(await gantry('execs', '-q', 'host'), '');
    assert.match(await gantry('execs', '-a', '--format={{.Status}}', 'host'), /^Exited \(137\)$/);
  });
});
