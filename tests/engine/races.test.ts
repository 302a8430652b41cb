/** Several clients want different things of one container at the same time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

engineSuite('at the same time', {}, (engine) => {
  const docker = dockerOf(engine);
  const post = async (path: string, body?: unknown) => (await engine().api('POST', path, body)).status;
  const statuses = async (count: number, request: () => Promise<number>) =>
    (await Promise.all(Array.from({ length: count }, request))).sort((a, b) => a - b);

  test('one name is given once', async () => {
    const codes = await statuses(6, () => post('/containers/create?name=only', { Image: busybox }));
    assert.deepEqual(codes, [201, 409, 409, 409, 409, 409]);
  });

  test('one start starts, the others find it running; one stop stops', async () => {
    await docker.ok('create', '--name=target', '--init', busybox, 'sleep', '1000');
    assert.deepEqual(await statuses(4, () => post('/containers/target/start')), [204, 304, 304, 304]);
    const stops = await statuses(4, () => post('/containers/target/stop'));
    assert.ok(stops.every((code) => code === 204 || code === 304) && stops[0] === 204, stops.join(' '));
    assert.equal(await docker.field('target', '{{.State.Status}} {{.State.ExitCode}}'), 'exited 143');
  });

  test('removals, kills and waits of a running container all end', async () => {
    await docker.ok('run', '-d', '--name=target', busybox, 'sleep', '1000');
    const waits = [docker('wait', 'target'), docker('logs', '-f', 'target'), docker('attach', '--no-stdin', 'target')];
    await eventually('the attach is there', async () =>
      (await docker.ok('events', '--since=0', '--until', String(Date.now() / 1000), '--filter=event=attach')).includes(
        'name=target',
      ),
    );
    const results = await Promise.all([1, 2, 3].map(() => engine().api('DELETE', '/containers/target?force=1')));
    const codes = results.map(({ status }) => status).sort((a, b) => a - b);
    assert.equal(codes[0], 204);
    assert.ok(
      codes.every((code) => [204, 404, 409].includes(code)),
      codes.join(' '),
    );
    const ended = await Promise.all(waits);
    assert.equal(ended[0]?.stdout, '137\n');
    assert.equal(await docker.ok('ps', '-aq'), '');
  });

  test('start, stop, restart, kill and exec in any order leave it usable', async () => {
    await docker.ok('create', '--name=target', '--init', '--restart=on-failure', busybox, 'sleep', '1000');
    const verbs = ['start', 'restart?t=0', 'stop?t=0', 'kill', 'start', 'restart?t=0', 'kill?signal=TERM', 'stop?t=1'];
    const codes = await Promise.all(verbs.map((verb) => post(`/containers/target/${verb}`)));
    assert.ok(
      codes.every((code) => [204, 304, 409].includes(code)),
      codes.join(' '),
    );
    await docker('start', 'target');
    await docker.becomes('target', '{{.State.Running}}', 'true');
    assert.equal(await docker.ok('exec', 'target', 'echo', 'alive'), 'alive');
    await docker.ok('stop', '-t', '1', 'target');
    assert.equal(await docker.field('target', '{{.State.Running}} {{.State.Restarting}}'), 'false false');
  });

  test('stop calls off a restart that is waited for', async () => {
    await docker.ok('run', '-d', '--name=looping', '--restart=always', busybox, 'false');
    await eventually(
      'it is between two runs',
      async () => (await docker.field('looping', '{{.State.Status}}')) === 'restarting',
      { every: 5 },
    );
    await docker.ok('stop', 'looping');
    const count = await docker.field('looping', '{{.RestartCount}}');
    await docker.ok('run', '--rm', busybox, 'sleep', '1.5');
    assert.equal(
      await docker.field('looping', '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}'),
      `${count} exited 1`,
    );
  });

  test('twenty at once have an address each', async () => {
    const script = 'ip -4 -o addr show eth0; sleep 1000';
    const ids = await Promise.all(
      Array.from({ length: 20 }, () => docker.ok('run', '-d', busybox, 'sh', '-c', script)),
    );
    const template = '{{.NetworkSettings.Networks.bridge.IPAddress}}';
    const addresses = (await docker.ok('inspect', '--format', template, ...ids)).split('\n');
    assert.equal(new Set(addresses).size, 20, addresses.join(' '));
    for (const [at, id] of ids.entries()) {
      const inside = `inet ${addresses[at]}/`;
      await eventually(`${id} has its address`, async () => (await docker.ok('logs', id)).includes(inside), {
        every: 50,
      });
    }
  });

  test('stdin that was opened once is closed when its client leaves', async () => {
    const client = docker.background(
      'run',
      '-i',
      '--name=once',
      busybox,
      'sh',
      '-c',
      'cat; echo over > /over; sleep 1000',
    );
    client.type('hello\n');
    await eventually('it answers', () => client.stdout() === 'hello\n');
    client.child.kill('SIGKILL');
    await client.end;
    await eventually('cat has ended', async () => (await docker('exec', 'once', 'cat', '/over')).stdout === 'over\n', {
      every: 50,
    });
  });

  test('output chosen with -a, a cid file, a foreground container without signals', async () => {
    const err = await docker('run', '--rm', '-a', 'stderr', busybox, 'sh', '-c', 'echo out; echo err >&2');
    assert.deepEqual([err.stdout, err.stderr], ['', 'err\n']);
    await docker.ok('create', '--name=attached', busybox, 'sh', '-c', 'echo out; exit 2');
    const started = await docker('start', '-a', 'attached');
    assert.deepEqual([started.code, started.stdout], [2, 'out\n']);
    const stopped = await docker('attach', 'attached');
    assert.match(stopped.stderr, /cannot attach to a stopped container, start it first/i);
  });
});
