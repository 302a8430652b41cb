/** stdin, stdout and stderr of containers: pipes, large amounts, several clients, one that does not read. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { dockerClient } from '../support/docker-client.ts';
import { ended, run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

const mebibyte = 1 << 20;

engineSuite('streams', {}, (engine) => {
  const docker = dockerOf(engine);
  const spawnDocker = (...args: string[]): ChildProcess =>
    spawn(dockerClient(), args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...engine().clientEnv() } });

  test('a closed stdin ends the reader, its answer still comes', async () => {
    const [counted, sorted, silent] = await Promise.all([
      docker.fed('one\ntwo\n', 'run', '-i', '--rm', busybox, 'wc', '-l'),
      docker.fed('b\na\n', 'run', '-i', '--rm', busybox, 'sh', '-c', 'sort; echo end >&2; exit 4'),
      docker.fed('unread', 'run', '--rm', busybox, 'sh', '-c', 'cat; echo empty'),
    ]);
    assert.deepEqual(counted, { code: 0, stdout: '2\n', stderr: '' });
    assert.deepEqual(sorted, { code: 4, stdout: 'a\nb\n', stderr: 'end\n' });
    assert.deepEqual(silent, { code: 0, stdout: 'empty\n', stderr: '' });
  });

  test('50 MiB go in, and come out again, byte for byte', async () => {
    const input = randomBytes(50 * mebibyte);
    const expected = createHash('sha256').update(input).digest('hex');
    const result = await docker.fed(input, 'run', '-i', '--rm', '--network=none', busybox, 'sha256sum');
    assert.equal(result.stdout, `${expected}  -\n`);
    assert.equal(
      await hashOfOutput('run', '-i', '--rm', '--network=none', '--log-driver=none', busybox, 'cat'),
      expected,
    );

    async function hashOfOutput(...args: string[]): Promise<string> {
      const child = spawnDocker(...args);
      const hash = createHash('sha256');
      child.stdout?.on('data', (chunk: Buffer) => hash.update(chunk));
      child.stdin?.end(input);
      assert.deepEqual(await ended(child), { code: 0, signal: null });
      return hash.digest('hex');
    }
  });

  test('large output of exec and of attach is whole', async () => {
    await docker.ok('run', '-d', '--name=source', busybox, 'sleep', '1000');
    const [lines, bytes] = await Promise.all([
      docker('exec', 'source', 'seq', '1', '300000'),
      docker.fed(randomBytes(5 * mebibyte), 'exec', '-i', 'source', 'wc', '-c'),
    ]);
    assert.equal(lines.stdout, Array.from({ length: 300_000 }, (_, at) => `${at + 1}\n`).join(''));
    assert.equal(bytes.stdout, `${5 * mebibyte}\n`);
  });

  test('several clients see the same output and may all write', async () => {
    const script = 'echo begin; while read -r line; do echo "got $line"; [ "$line" = end ] && exit 6; done';
    await docker.ok('create', '-i', '--name=shared', busybox, 'sh', '-c', script);
    await docker.ok('start', 'shared');
    const attached = [
      spawnDocker('attach', 'shared'),
      spawnDocker('attach', 'shared'),
      spawnDocker('attach', '--no-stdin', 'shared'),
    ];
    const seen = attached.map((client) => collect(client));
    await eventually('all are attached', async () => (await attachEvents()) >= attached.length);
    attached[0]?.stdin?.write('first\n');
    await eventually('all see the first line', () => seen.every((text) => text().includes('got first\n')));
    attached[1]?.stdin?.write('end\n');
    const codes = await Promise.all(attached.map(async (client) => (await ended(client)).code));
    assert.deepEqual(codes, [6, 6, 6]);
    for (const text of seen) assert.match(text(), /got first\ngot end\n$/);
    assert.equal(await docker.ok('logs', 'shared'), 'begin\ngot first\ngot end');
  });

  async function attachEvents(): Promise<number> {
    const output = await docker.ok(
      'events',
      '--since=0',
      '--until',
      String(Date.now() / 1000),
      '--filter=event=attach',
    );
    return output.split('\n').filter((line) => line.includes('name=shared')).length;
  }

  test('a stalled attach client freezes neither the container nor its log', async () => {
    const lines = 30_000;
    const script = `read -r go; seq 1 ${lines}; echo finished > /done; sleep 1000`;
    await docker.ok('run', '-di', '--name=busy', busybox, 'sh', '-c', script);
    const stalled = spawnDocker('attach', '--no-stdin', 'busy');
    const fed = spawnDocker('attach', 'busy');
    const fedOutput = collect(fed);
    stalled.stdout?.pause();
    await eventually('both are attached', async () => {
      const output = await docker.ok(
        'events',
        '--since=0',
        '--until',
        String(Date.now() / 1000),
        '--filter=event=attach',
      );
      return output.split('name=busy').length > 2;
    });
    stalled.kill('SIGSTOP');
    fed.stdin?.write('go\n');
    await eventually(
      'the container goes on',
      async () => (await docker('exec', 'busy', 'cat', '/done')).stdout === 'finished\n',
      { every: 50 },
    );
    const log = await docker.ok('logs', 'busy');
    assert.equal(log, Array.from({ length: lines }, (_, at) => String(at + 1)).join('\n'));
    await eventually('the other client has it all', () => fedOutput().endsWith(`\n${lines}\n`));
    stalled.kill('SIGCONT');
    const end = Promise.all([ended(stalled), ended(fed)]);
    stalled.stdout?.resume();
    await docker.ok('kill', 'busy');
    await end;
  });

  test('a client that dies leaves the container alone', async () => {
    await docker.ok('run', '-di', '--name=left', busybox, 'sh', '-c', 'while read -r line; do echo "got $line"; done');
    const client = spawnDocker('attach', '--sig-proxy=false', 'left');
    const text = collect(client);
    client.stdin?.write('one\n');
    await eventually('it answers', () => text().includes('got one'));
    client.kill('SIGKILL');
    await ended(client);
    assert.equal(await docker.field('left', '{{.State.Running}}'), 'true');
    const second = spawnDocker('attach', 'left');
    const more = collect(second);
    second.stdin?.write('two\n');
    await eventually('it answers the next client', () => more().includes('got two'));
    second.kill('SIGKILL');
    await ended(second);
  });

  test('signals for the client reach the container', async () => {
    const script = 'trap "echo caught; exit 8" INT; echo ready; while :; do sleep 0.05; done';
    const client = spawnDocker('run', '--rm', busybox, 'sh', '-c', script);
    const text = collect(client);
    await eventually('it is ready', () => text().includes('ready'));
    client.kill('SIGINT');
    assert.equal((await ended(client)).code, 8);
    assert.match(text(), /caught/);
  });

  test('run -d prints the id, and a pipe to it works later', async () => {
    const id = await docker.ok('run', '-d', busybox, 'true');
    assert.match(id, /^[0-9a-f]{64}$/);
    const piped = await run('sh', ['-c', 'seq 1 1000 | "$0" run -i --rm "$1" tail -n 1', dockerClient(), busybox], {
      env: engine().clientEnv(),
      timeout: 60_000,
    });
    assert.equal(piped.stdout, '1000\n');
  });
});

/** Everything that the client has printed so far, both streams. */
function collect(client: ChildProcess): () => string {
  const chunks: Buffer[] = [];
  client.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  client.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString();
}
