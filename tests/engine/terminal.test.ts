import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dockerClient } from '../support/docker-client.ts';
import { testImage } from '../support/images.ts';
import { engineSuite } from '../support/suite.ts';
import { Terminal } from '../support/terminal.ts';
import { eventually } from '../support/wait.ts';

const { name: image } = await testImage('busybox');

engineSuite('a terminal', {}, (engine) => {
  const open = (...args: string[]): Promise<Terminal> => Terminal.open([dockerClient(), ...args], engine().clientEnv());

  test('run -it: typing, the size and its change, Ctrl-C, exit code', async () => {
    await using terminal = await open('run', '--rm', '-it', image, 'sh');
    let at = await terminal.expect(/# /);
    terminal.type('stty size\r');
    at = await terminal.expect(/24 80/, at);
    await terminal.resize(40, 100);
    await eventually('the container sees the new size', async () => {
      const from = terminal.shown.length;
      terminal.type('stty size\r');
      await terminal.expect(/\d+ \d+\r?\n/, from, { timeout: 1000 });
      return terminal.shown.slice(from).includes('40 100');
    });
    at = terminal.shown.length;
    terminal.type("echo g''o; sleep 1000\r");
    at = await terminal.expect(/\ngo\r?\n/, at);
    terminal.type('\x03');
    await terminal.expect(/# /, at);
    terminal.type('exit 9\r');
    assert.equal(await terminal.exit(), 9);
  });

  test('detach leaves it running; attach comes back', async () => {
    await using first = await open('run', '-it', '--name', 'kept', image, 'sh');
    let at = await first.expect(/# /);
    first.type('here=yes; echo ready\r');
    at = await first.expect(/\nready/, at);
    first.type('\x10\x11');
    assert.equal(await first.exit(), 0);
    assert.equal(await engine().dockerOk(['inspect', '-f', '{{.State.Running}}', 'kept']), 'true');
    await using second = await open('attach', 'kept');
    second.type('\r');
    at = await second.expect(/# /);
    second.type('echo still $here; exit 4\r');
    await second.expect(/still yes/, at);
    assert.equal(await second.exit(), 4);
  });

  test('exec -it has a terminal of its own', async () => {
    await engine().dockerOk(['run', '-d', '--name', 'host-of-exec', image, 'sleep', '1000']);
    await using terminal = await open('exec', '-it', 'host-of-exec', 'sh');
    let at = await terminal.expect(/# /);
    terminal.type('tty; stty size\r');
    at = await terminal.expect(/\/dev\/pts\/\d+/, at);
    at = await terminal.expect(/24 80/, at);
    terminal.type('exit 6\r');
    assert.equal(await terminal.exit(), 6);
  });

  test('without -t, Ctrl-C reaches the container as a signal', async () => {
    await using terminal = await open(
      'run',
      '--rm',
      image,
      'sh',
      '-c',
      'trap "echo caught; exit 12" INT; echo up; while :; do sleep 0.05; done',
    );
    await terminal.expect(/up/);
    terminal.type('\x03');
    await terminal.expect(/caught/);
    assert.equal(await terminal.exit(), 12);
  });
});
