/** Somebody types before a terminal: `run -it`, `attach`, `exec -it`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';
import { Terminal } from '../support/terminal.ts';
import { dockerClient } from '../support/docker-client.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

const ctrlC = '\x03';
const ctrlD = '\x04';
const detachKeys = '\x10\x11';

engineSuite('a terminal', {}, (engine) => {
  const docker = dockerOf(engine);
  const open = (...args: string[]) => Terminal.open([dockerClient(), ...args], engine().clientEnv());

  /** Changes the size until the container sees it: the client listens to changes only from some time after the start on. */
  const resized = (terminal: Terminal, from: number): Promise<number> => {
    let columns = 100;
    return eventually('the new size is seen', async () => {
      await terminal.resize(33, ++columns);
      terminal.type('stty size\r');
      return terminal.expect(new RegExp(`\\n33 ${columns}\\r\\nready> `), from, { timeout: 1500 });
    });
  };

  test('run -it: typed input, its size, a new size, the exit code', async () => {
    await using terminal = await open('run', '-it', '--rm', '-e', 'PS1=ready> ', busybox, 'sh');
    let at = await terminal.expect(/ready> /);
    terminal.type('tty; stty size; echo $TERM\r');
    at = await terminal.expect(/\/dev\/pts\/0\r\n24 80\r\nxterm\r\nready> /, at);
    at = await resized(terminal, at);
    terminal.type('exit 7\r');
    assert.equal(await terminal.exit(), 7);
  });

  test('run -it: Ctrl-C interrupts what runs in the foreground, Ctrl-D ends the shell', async () => {
    await using terminal = await open('run', '-it', '--rm', '-e', 'PS1=ready> ', busybox, 'sh');
    let at = await terminal.expect(/ready> /);
    terminal.type('echo begun; sleep 1000\r');
    at = await terminal.expect(/\nbegun\r\n/, at);
    terminal.type(ctrlC);
    at = await terminal.expect(/ready> /, at);
    terminal.type('echo $?\r');
    at = await terminal.expect(/\n130\r\nready> /, at);
    terminal.type(ctrlD);
    assert.equal(await terminal.exit(), 0);
  });

  test('detach keys leave it running; attach finds the same shell again', async () => {
    await using first = await open('run', '-it', '--name=kept', '-e', 'PS1=ready> ', busybox, 'sh');
    let at = await first.expect(/ready> /);
    first.type('word=remembered; echo set\r');
    at = await first.expect(/\nset\r\nready> /, at);
    first.type(detachKeys);
    assert.equal(await first.exit(), 0);
    assert.equal(await docker.field('kept', '{{.State.Status}}'), 'running');

    await using second = await open('attach', '--detach-keys=ctrl-x,d', 'kept');
    second.type('echo $word\r');
    at = await second.expect(/\nremembered\r\nready> /);
    second.type('\x18d');
    assert.equal(await second.exit(), 1);
    assert.match(second.shown, /read escape sequence/);

    await using third = await open('attach', 'kept');
    third.type('exit 5\r');
    assert.equal(await third.exit(), 5);
    assert.equal(await docker.field('kept', '{{.State.Status}} {{.State.ExitCode}}'), 'exited 5');
  });

  test('start -ai brings a stopped shell back', async () => {
    await docker.ok('create', '-it', '--name=again', '-e', 'PS1=ready> ', busybox, 'sh');
    for (const code of [0, 3]) {
      await using terminal = await open('start', '-ai', 'again');
      await terminal.expect(/ready> /);
      terminal.type(`exit ${code}\r`);
      assert.equal(await terminal.exit(), code);
    }
  });

  test('exec -it: its own terminal, sizes, Ctrl-C, detach, the exit code', async () => {
    await docker.ok('run', '-d', '--name=host', busybox, 'sleep', '1000');
    await using terminal = await open('exec', '-it', '-e', 'PS1=ready> ', 'host', 'sh');
    let at = await terminal.expect(/ready> /);
    terminal.type('stty size; tty\r');
    at = await terminal.expect(/\n24 80\r\n\/dev\/pts\/\d\r\nready> /, at);
    at = await resized(terminal, at);
    terminal.type('echo begun; sleep 1000\r');
    at = await terminal.expect(/\nbegun\r\n/, at);
    terminal.type(ctrlC);
    await terminal.expect(/ready> /, at);
    terminal.type('exit 9\r');
    assert.equal(await terminal.exit(), 9);

    await using left = await open('exec', '-it', '-e', 'PS1=ready> ', 'host', 'sh');
    await left.expect(/ready> /);
    left.type(detachKeys);
    assert.equal(await left.exit(), 1);
    assert.match(await docker.ok('top', 'host').catch(() => docker.ok('exec', 'host', 'ps')), /\bsh\b/);
  });

  test('without -t, Ctrl-C reaches the container as a signal', async () => {
    const script = 'trap "echo caught; exit 12" INT; echo up; while :; do sleep 0.05; done';
    await using terminal = await open('run', '--rm', busybox, 'sh', '-c', script);
    await terminal.expect(/up/);
    terminal.type(ctrlC);
    await terminal.expect(/caught/);
    assert.equal(await terminal.exit(), 12);
  });

  test('-t without a terminal is refused by the client, and works without stdin', async () => {
    const refused = await docker('run', '--rm', '-it', busybox, 'true');
    assert.match(refused.stderr, /not a TTY|not a terminal/i);
    const output = await docker('run', '--rm', '-t', busybox, 'sh', '-c', 'test -t 1 && echo terminal');
    assert.deepEqual(output, { code: 0, stdout: 'terminal\r\n', stderr: '' });
  });
});
