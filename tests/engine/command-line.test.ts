/** The own command line on a real engine, beside the stock docker client. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { must, run, type RunOptions } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { Terminal } from '../support/terminal.ts';
import { busybox } from './_docker.ts';

const skip = isOracle() && 'dockerd is not for the own command line';

engineSuite('the own command line', { skip }, (engine) => {
  const [program, ...first] = gantryProgram;
  const options = (more: RunOptions = {}): RunOptions => ({
    timeout: 60_000,
    ...more,
    env: { ...engine().clientEnv(), TZ: 'UTC', ...more.env },
  });
  const gantry = (args: readonly string[], more: RunOptions = {}) => run(program, [...first, ...args], options(more));
  const ok = (...args: string[]): Promise<string> => must(program, [...first, ...args], options());

  test('run: both outputs, input, and the exit codes', async () => {
    const script = 'cat; echo err >&2; exit 3';
    const result = await gantry(['run', '--rm', '-i', busybox, 'sh', '-c', script], { input: 'typed\n' });
    assert.deepEqual(result, { code: 3, stdout: 'typed\n', stderr: 'err\n' });
    for (const [code, ...args] of [
      [125, '--memory=1k', busybox, 'true'],
      [126, busybox, '/etc/passwd'],
      [127, busybox, 'no-such-command'],
      [137, '--init', busybox, 'sh', '-c', 'kill -9 $$'],
    ] as const) {
      assert.equal((await gantry(['run', '--rm', ...args])).code, code, args.join(' '));
    }
  });

  test('a life: run -d, ps, logs, exec, inspect, stop, start, wait, rm', async () => {
    const id = await ok('run', '-d', '--name=lived', '-l', 'a=b', busybox, 'sh', '-c', 'echo hello; exec sleep 1000');
    assert.match(id, /^[0-9a-f]{64}$/);
    assert.equal(await ok('ps', '-q', '--no-trunc', '-f', 'label=a=b'), id);
    assert.equal(await ok('exec', '-e', 'A=1', '-w', '/tmp', 'lived', 'sh', '-c', 'echo $A $PWD'), '1 /tmp');
    assert.equal((await gantry(['exec', 'lived', 'sh', '-c', 'exit 5'])).code, 5);
    assert.equal(await ok('logs', 'lived'), 'hello');
    assert.equal(await ok('inspect', '-f', '{{.State.Status}} {{.Config.Labels}}', 'lived'), 'running map[a:b]');
    assert.equal(await ok('stop', '-t', '0', 'lived'), 'lived');
    assert.equal(await ok('wait', 'lived'), '137');
    assert.equal(await ok('start', 'lived'), 'lived');
    assert.match((await gantry(['rm', 'lived'])).stderr, /is running/);
    assert.equal(await ok('rm', '-f', 'lived'), 'lived');
  });

  test('lists and views are those of docker', async () => {
    await ok(
      'create',
      '--name=viewed',
      '-p',
      '127.0.0.1:8080-8081:80-81',
      '-v',
      'kept:/kept',
      '-e',
      'A=1',
      busybox,
      'true',
    );
    for (const args of [
      ['ps', '-a', '--no-trunc', '--format', '{{.ID}} {{.Command}} {{.Ports}} {{.Mounts}} {{.State}} {{.CreatedAt}}'],
      ['images', '--digests', '--no-trunc'],
      ['volume', 'ls', '--format', 'json'],
      ['network', 'ls', '--no-trunc'],
      ['inspect', 'viewed'],
      ['inspect', '--type=image', busybox],
      ['inspect', '-f', '{{.HostConfig.PortBindings}} {{json .Mounts}}', 'viewed'],
      ['port', 'viewed'],
    ]) {
      const version = { env: { DOCKER_API_VERSION: '1.50' } };
      assert.deepEqual(
        await gantry(args, version),
        await engine().docker(args, { env: { TZ: 'UTC', ...version.env } }),
      );
    }
  });

  test('run -it: keys, size, detach and attach', async () => {
    const open = (...args: string[]) => Terminal.open([...gantryProgram, ...args], engine().clientEnv());
    {
      await using terminal = await open('run', '-it', '--name=typed', '-e', 'PS1=ready> ', busybox, 'sh');
      let at = await terminal.expect(/ready> /);
      await terminal.resize(33, 101);
      terminal.type('until stty size | grep "33 101"; do :; done\r');
      at = await terminal.expect(/\n33 101\r\nready> /, at);
      terminal.type('\x10\x11');
      assert.equal(await terminal.exit(), 0);
    }
    assert.equal(await ok('inspect', '-f', '{{.State.Running}}', 'typed'), 'true');
    await using terminal = await open('attach', 'typed');
    terminal.type('echo again; exit 4\r');
    await terminal.expect(/\nagain\r\n/);
    assert.equal(await terminal.exit(), 4);
  });

  test('quickstart shows its tour and leaves nothing', async () => {
    const command = [...gantryProgram, 'quickstart'];
    const { code, stdout, stderr } = await engine().inside(command, options());
    assert.equal(code, 0, stderr);
    assert.match(stdout, /<h1>It works<\/h1>/);
    assert.match(stdout, /response:200/);
    assert.match(stdout, /httpd -f -v/);
    assert.match(stdout, /MEM USAGE/);
    assert.equal(await ok('ps', '-aq'), '');
    assert.doesNotMatch(await ok('images'), /gantry-quickstart/);
  });
});
