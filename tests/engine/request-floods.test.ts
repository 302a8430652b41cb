/** Requests that are too much: refused, or served, within bounds of memory, with the engine answering others. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

const mib = 1 << 20;

engineSuite('floods of requests', {}, (engine) => {
  const docker = dockerOf(engine);
  const memory = async () =>
    (await engine().api('GET', '/info')).json<{ Gantry: { MemoryRss: number } }>().Gantry.MemoryRss;
  const create = (body: unknown) => engine().api('POST', '/containers/create', body);

  /** Sends `count` pieces of 1 MiB of one JSON string until the engine answers; gives its status, 0 when it hung up. */
  async function endless(start: string, count: number): Promise<number> {
    const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' };
    const call = request({ socketPath: engine().paths.socket, method: 'POST', path: '/containers/create', headers });
    const { promise, resolve } = Promise.withResolvers<number>();
    call.on('response', (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    call.on('error', () => resolve(0));
    let isOver = false;
    void promise.then(() => (isOver = true));
    call.write(start);
    const piece = 'x'.repeat(mib);
    for (let at = 0; at < count && !isOver; at++) {
      if (!call.write(piece)) await Promise.race([once(call, 'drain').catch(() => undefined), promise]);
    }
    call.end('"]}');
    const status = await promise;
    call.destroy();
    return status;
  }

  test('1 GiB of environment or labels is refused, without being kept', async () => {
    for (const start of ['{"Image":"x","Env":["A=', '{"Image":"x","Labels":{"a":"']) {
      const before = await memory();
      const status = await endless(start, 1024);
      assert.ok([400, 413].includes(status), `status ${status}`);
      assert.ok((await memory()) - before < 64 * mib);
      assert.equal((await engine().api('GET', '/_ping')).status, 200);
    }
    assert.equal(await docker.ok('ps', '-aq'), '');
  });

  test('100,000 labels are served, JSON nested 100,000 deep is refused', async () => {
    const Labels = Object.fromEntries(Array.from({ length: 100_000 }, (_, at) => [`label-${at}`, '']));
    const made = await create({ Image: busybox, Cmd: ['true'], Labels });
    assert.ok([201, 400, 413].includes(made.status), made.text);
    if (made.status === 201) {
      const { Id } = made.json<{ Id: string }>();
      assert.equal(await docker.ok('inspect', '-f', '{{len .Config.Labels}}', Id), '100000');
    }
    for (const field of ['Labels', 'Nothing']) {
      const deep = `{"Image":"${busybox}","${field}":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
      const { status } = await create(deep);
      assert.ok(status === 400 || (field === 'Nothing' && status === 201), `${field}: ${status}`);
      assert.equal((await engine().api('GET', '/_ping')).status, 200);
    }
  });

  test('a fork bomb and a flood of open files stay in their container', async () => {
    await docker.ok('run', '-d', '--name=other', busybox, 'sleep', '1000');
    await docker.ok(
      'run',
      '-d',
      '--name=bomb',
      '--pids-limit=60',
      busybox,
      'sh',
      '-c',
      'f() { f | f & }; f; sleep 1000',
    );
    const files =
      'i=0; while [ $i -lt 3000 ]; do eval "exec $((i + 10))</dev/null" || break; i=$((i + 1)); done; sleep 1000';
    await docker.ok('run', '-d', '--name=files', '--ulimit=nofile=512:512', busybox, 'sh', '-c', files);
    for (let round = 0; round < 10; round++) assert.equal(await docker.ok('exec', 'other', 'echo', 'here'), 'here');
    assert.equal((await engine().api('GET', '/_ping')).status, 200);
    await docker.ok('rm', '-f', 'bomb', 'files');
    await eventually('the bomb is gone', async () => (await docker.ok('ps', '-q')).split('\n').length === 1);
  });
});

engineSuite('a log that fills the disk', { dataRootMiB: 48 }, (engine) => {
  const docker = dockerOf(engine);

  test('the engine answers, and others go on', async () => {
    await docker.ok('run', '-d', '--name=other', busybox, 'sleep', '1000');
    await docker.ok('run', '-d', '--name=talker', '--network=none', busybox, 'sh', '-c', 'yes $(seq 1 200)');
    await eventually(
      'the disk is full',
      async () => {
        const { stdout } = await engine().inside(['df', '--output=avail', '-B1M', engine().paths.dataRoot]);
        return Number(stdout.split('\n')[1]) < 2;
      },
      { timeout: 60_000, every: 100 },
    );
    assert.equal((await engine().api('GET', '/_ping')).status, 200);
    assert.equal(await docker.ok('exec', 'other', 'echo', 'here'), 'here');
    assert.match(await docker.ok('ps', '--format={{.Names}}'), /other/);
    const removed = await docker('rm', '-f', 'talker');
    if (removed.code !== 0) {
      // It wrote into the room that its removal needed: now that it has ended, its log can go.
      assert.match(removed.stderr, /database or disk is full/);
      assert.equal(await docker.field('talker', '{{.State.Running}}'), 'false');
      assert.equal((await engine().api('DELETE', '/containers/talker/logs')).status, 204);
      await docker.ok('rm', '-f', 'talker');
    }
    assert.equal(await docker.ok('run', '--rm', busybox, 'echo', 'works'), 'works');
  });
});
