/** `docker logs`: selection, following, rotation, over engine restarts. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, at) => `${from + at}\n`).join('');

engineSuite('logs', {}, (engine) => {
  const docker = dockerOf(engine);
  const sh = (name: string, script: string, ...flags: string[]) =>
    docker.ok('run', '-d', `--name=${name}`, ...flags, busybox, 'sh', '-c', script);
  const logs = async (...args: string[]) => (await docker('logs', ...args)).stdout;
  const follow = (...args: string[]) => docker.background('logs', '-f', ...args);

  test('both streams, partial and empty lines, odd bytes', async () => {
    await docker.ok(
      'run',
      '--name=odd',
      busybox,
      'sh',
      '-c',
      'printf "one\\n\\nthree\\tx"; sleep 0.1; echo err >&2; printf "\\303\\251 \\033[1m"',
    );
    const result = await docker('logs', 'odd');
    assert.equal(result.stdout, 'one\n\nthree\txé \u001b[1m');
    assert.equal(result.stderr, 'err\n');
    const long = 'x'.repeat(100_000);
    await docker.ok('run', '--name=long', busybox, 'sh', '-c', `head -c 100000 /dev/zero | tr '\\0' x; echo; echo end`);
    assert.equal(await logs('long'), `${long}\nend\n`);
    assert.equal(await logs('--tail=1', 'long'), 'end\n');
    assert.equal(await logs('--tail=2', 'long'), `${long}\nend\n`);
  });

  test('--tail, --since, --until, -t', async () => {
    await docker.ok('run', '--name=timed', busybox, 'sh', '-c', 'seq 1 5; sleep 1.2; seq 6 10');
    assert.equal(await logs('--tail=3', 'timed'), numbers(8, 10));
    assert.equal(await logs('--tail=0', 'timed'), '');
    assert.equal(await logs('--tail=all', 'timed'), numbers(1, 10));
    const stamped = (await logs('-t', 'timed')).trim().split('\n');
    const times = stamped.map((line) => line.split(' ')[0] ?? '');
    for (const time of times) assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
    assert.deepEqual(times, [...times].sort());
    const between = new Date(new Date(times[5] ?? '').getTime() - 500).toISOString();
    assert.equal(await logs('--since', between, 'timed'), numbers(6, 10));
    assert.equal(await logs('--until', between, 'timed'), numbers(1, 5));
    assert.equal(await logs('--since', between, '--tail=2', 'timed'), numbers(9, 10));
    assert.equal(await logs('--since=1h', 'timed'), numbers(1, 10));
    assert.equal(await logs('--since', String(Date.now() / 1000 + 60), 'timed'), '');
  });

  test('-f shows what was and what comes, and ends with the container', async () => {
    await sh('slow', 'for i in 1 2 3 4 5; do echo $i; sleep 0.1; done');
    assert.equal(await logs('-f', 'slow'), numbers(1, 5));
    assert.equal(await logs('-f', '--tail=2', 'slow'), numbers(4, 5));
    await sh('removed', 'echo here; sleep 1000', '--rm');
    const client = follow('removed');
    await eventually('the line is there', () => client.stdout() === 'here\n');
    await docker.ok('kill', 'removed');
    assert.equal(await client.end, 0);
  });

  test('-f goes on over a restart of the container', async () => {
    await sh('again', 'echo run; exec sleep 1000');
    await docker.ok('restart', '-t=0', 'again');
    await eventually('it has run twice', async () => (await logs('again')) === 'run\nrun\n');
    const client = follow('again');
    await eventually('both runs are shown', () => client.stdout() === 'run\nrun\n');
    await docker.ok('kill', 'again');
    assert.equal(await client.end, 0);
  });

  test('the engine is killed and comes back: no line is lost', async () => {
    await sh('writer', 'i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo $i; usleep 5000; done');
    const client = follow('writer');
    await eventually('the first lines are shown', () => client.stdout().includes('\n20\n'));
    await engine().stop('SIGKILL');
    await client.end;
    assert.ok(numbers(1, 400).startsWith(client.stdout()), 'what was shown is the beginning');
    await engine().start();
    const shown = client.stdout().trimEnd().split('\n').length;
    assert.equal(await logs('-f', 'writer'), numbers(1, 400));
    assert.ok(shown >= 20);
  });

  test('rotation keeps max-file files of about max-size, and loses no line before that', async () => {
    // Many times as much as the size of one file: nothing may be counted over several of them.
    const options = ['--log-opt=max-size=100k', '--log-opt=max-file=40'];
    await sh(
      'rotated',
      'i=0; while [ $i -lt 30 ]; do seq $((i*1000+1)) $((i*1000+1000)); i=$((i+1)); usleep 20000; done',
      ...options,
    );
    assert.equal(await docker.ok('wait', 'rotated'), '0');
    assert.equal(await logs('rotated'), numbers(1, 30_000));
    const id = await docker.field('rotated', '{{.Id}}');
    const files = await readdir(join(engine().paths.dataRoot, 'containers', id));
    const rotations = files.filter((name) => /log\.\d+/.test(name)).length;
    assert.ok(rotations >= 2, files.join(' '));
    assert.equal(await logs('--tail=5000', 'rotated'), numbers(25_001, 30_000));
  });

  test('while the engine is away a log grows to a bound only, and says where lines were lost', {
    skip: isOracle(),
  }, async () => {
    const script = `while ! [ -e /go ]; do usleep 20000; done; head -c 80000000 /dev/zero | tr '\\0' x; echo
      touch /done; while ! [ -e /on ]; do usleep 20000; done; echo after; exec sleep 1000`;
    await sh('flood', script, '--log-opt=max-size=100k', '--log-opt=max-file=3');
    const id = await docker.field('flood', '{{.Id}}');
    const pid = await docker.field('flood', '{{.State.Pid}}');
    const root = `/proc/${pid}/root`;
    assert.match(await readFile(`/proc/${pid}/limits`, 'utf8'), /Max file size +unlimited +unlimited/);
    // SIGXFSZ, which the monitor ignores, has its default here.
    assert.match(await readFile(`/proc/${pid}/status`, 'utf8'), /SigIgn:\t0{8}[0-9a-f][02468ace][0-9a-f]{6}\n/);
    await engine().stop('SIGKILL');
    await writeFile(`${root}/go`, '');
    await eventually('all is printed', () => existsSync(`${root}/done`));
    const log = join(engine().paths.dataRoot, 'containers', id, 'container.log');
    assert.equal((await stat(log)).size, 64 * 1024 * 1024);
    await engine().start();
    await eventually('it is rotated', () => existsSync(`${log}.1`) && existsSync(log));
    await writeFile(`${root}/on`, '');
    await eventually('the container writes on', async () => (await logs('--tail=1', 'flood')).endsWith('after\n'));
    const { stdout, stderr } = await docker('logs', 'flood');
    assert.ok(stdout.length > 60_000_000 && stdout.length < 67_000_000, `${stdout.length} bytes`);
    assert.match(stdout.slice(-100), /^x+after\n$/);
    assert.match(stderr, /^\[the log reached its size limit while the engine was away: lines were lost here\]\n$/);
    await docker.ok('rm', '-f', 'flood');
  });

  for (const driver of ['json-file', 'local']) {
    test(`${driver}: rotated files are compressed and read as before, over a kill of the engine`, {
      skip: isOracle(),
    }, async () => {
      const name = `packed-${driver}`;
      // What the local driver does by itself, json-file is asked for.
      const asked = driver === 'local' ? [] : ['--log-opt=compress=true'];
      const options = [`--log-driver=${driver}`, '--log-opt=max-size=200k', '--log-opt=max-file=20', ...asked];
      await sh(
        name,
        `i=0; while [ $i -lt 30 ]; do seq $((i*1000+1)) $((i*1000+1000)); i=$((i+1)); usleep 40000
          while [ $i = 15 ] && ! [ -e /go ]; do usleep 20000; done; done; exec sleep 1000`,
        ...options,
      );
      const client = follow(name);
      const directory = join(engine().paths.dataRoot, 'containers', await docker.field(name, '{{.Id}}'));
      const rotated = async () => (await readdir(directory)).filter((file) => /log\.(\d+|new)/.test(file));
      await eventually('one is compressed', async () => (await rotated()).some((file) => file.endsWith('.gz')));
      await engine().stop('SIGKILL');
      await client.end;
      await engine().start();
      assert.ok(numbers(1, 30_000).startsWith(client.stdout()), 'what was shown is the beginning');
      // The second half alone is more than one file.
      await docker.ok('exec', name, 'touch', '/go');
      await eventually('all is printed', async () => (await logs('--tail=1', name)) === '30000\n');
      await eventually('several are compressed, and no other is left', async () => {
        const files = await rotated();
        return files.length >= 2 && files.every((file) => /\.\d+\.gz$/.test(file));
      });
      assert.equal(await logs(name), numbers(1, 30_000));
      assert.equal(await logs('--tail=28000', name), numbers(2001, 30_000));
      const again = follow('--tail=29000', name);
      await eventually('a follower begins in an old file', () => again.stdout() === numbers(1001, 30_000));
      const stamp = (await logs('-t', '--tail=29000', name)).split(' ', 1)[0] ?? '';
      assert.ok((await logs('--since', stamp, name)).endsWith(numbers(1001, 30_000)));
      await eventually('gzip reads the oldest file', async () => {
        // The kill may have come in the middle of a rotation, and left a number out; the last rotation may come now.
        const oldest = Math.max(...(await rotated()).map((file) => Number(file.split('.').at(-2))));
        const unpacked = await run('gzip', ['-dc', join(directory, `container.log.${oldest}.gz`)], { timeout: 60_000 });
        return /^\S+ stdout F 1\n/.test(unpacked.stdout);
      });
      await docker.ok('kill', name);
      assert.equal(await again.end, 0);
    });
  }

  test('rotation drops the oldest, a follower sees every line', async () => {
    const options = ['--log-opt=max-size=100k', '--log-opt=max-file=2'];
    await sh(
      'small',
      'sleep 0.5; i=0; while [ $i -lt 40 ]; do seq $((i*500+1)) $((i*500+500)); i=$((i+1)); usleep 30000; done',
      ...options,
    );
    const client = follow('small');
    assert.equal(await client.end, 0);
    assert.equal(client.stdout(), numbers(1, 20_000));
    const kept = await logs('small');
    assert.ok(kept.endsWith(numbers(19_000, 20_000)));
    assert.ok(kept.length < 900_000, `${kept.length} bytes are kept`);
  });

  test('--details shows the labels, variables and the tag that the options name', async () => {
    const options = ['--label=team=red', '--env=TIER=front', '--log-opt=labels=team', '--log-opt=env-regex=^TI'];
    await docker.ok('run', '--name=told', ...options, '--log-opt=tag={{.Name}} x', busybox, 'echo', 'hello');
    assert.equal(await logs('--details', 'told'), 'TIER=front,tag=told+x,team=red hello\n');
    assert.match(await logs('--details', '-t', 'told'), /^\S+Z TIER=front,tag=told\+x,team=red hello\n$/);
    await docker.ok('run', '--name=untold', busybox, 'echo', 'hello');
    assert.equal(await logs('--details', 'untold'), ' hello\n');
  });

  test('without options a json-file log is kept whole', async () => {
    await docker.ok('run', '--name=whole', busybox, 'sh', '-c', 'seq 1 400000; seq 1 400000 >&2');
    const read = docker.background('logs', 'whole');
    assert.equal(await read.end, 0);
    assert.equal(read.stdout().length, numbers(1, 400_000).length);
    assert.equal(read.stderr(), read.stdout());
  });

  test('several logs at once, and clearing them', { skip: isOracle() }, async () => {
    const gantry = (...args: string[]) =>
      run(gantryProgram[0], [...gantryProgram.slice(1), ...args], { env: engine().clientEnv(), timeout: 60_000 });
    await sh('web', 'echo one; sleep 0.6; echo three; exec sleep 1000');
    await sh('long-name', 'sleep 0.3; echo two >&2; sleep 0.6; echo four; exec sleep 1000');
    await eventually('all is printed', async () => (await logs('long-name')).includes('four'));
    assert.deepEqual(await gantry('logs', 'web', 'long-name'), {
      code: 0,
      stdout: 'web       | one\nweb       | three\nlong-name | four\n',
      stderr: 'long-name | two\n',
    });
    assert.deepEqual(await gantry('logs', '--clear', 'web', 'long-name'), { code: 0, stdout: '', stderr: '' });
    assert.equal((await gantry('logs', 'web', 'long-name')).stdout, '');
    assert.equal((await gantry('logs', '--clear', '--tail=1', 'web')).code, 1);
    assert.match((await gantry('logs', '--clear', 'nobody')).stderr, /No such container: nobody/);
    await docker.ok('exec', 'web', 'sh', '-c', 'echo five > /proc/1/fd/1');
    await eventually('the container writes on', async () => (await logs('web')) === 'five\n');
    await docker.ok('kill', 'web', 'long-name');
    await docker.ok('wait', 'web', 'long-name');
    await gantry('logs', '--clear', 'web');
    assert.equal(await logs('web'), '');
  });

  test('attach to tty output, and what cannot be read', async () => {
    await docker.ok('run', '-t', '--name=terminal', busybox, 'sh', '-c', 'echo one; echo two >&2');
    assert.equal(await logs('terminal'), 'one\r\ntwo\r\n');
    await docker.ok('run', '--name=none', '--log-driver=none', busybox, 'echo', 'unheard');
    const none = await docker('logs', 'none');
    assert.equal(none.code, 1);
    assert.match(none.stderr, /configured logging driver does not support reading/);
    const nobody = await docker('logs', 'nobody');
    assert.match(nobody.stderr, /No such container: nobody/);
    const nothing = await engine().api('GET', '/containers/terminal/logs');
    assert.equal(nothing.status, 400);
    assert.match(nothing.text, /you must choose at least one stream/i);
  });
});
