/** stdin, stdout and stderr of containers: pipes, large amounts, several clients, one that does not read. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { dockerClient } from '../support/docker-client.ts';
import { run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

const mebibyte = 1 << 20;

engineSuite('streams', {}, (engine) => {
  const docker = dockerOf(engine);

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
      const client = docker.background(...args);
      const hash = createHash('sha256');
      client.child.stdout?.removeAllListeners('data').setEncoding('latin1');
      client.child.stdout?.on('data', (text: string) => hash.update(text, 'latin1'));
      client.child.stdin?.end(input);
      assert.equal(await client.end, 0);
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
      docker.background('attach', 'shared'),
      docker.background('attach', 'shared'),
      docker.background('attach', '--no-stdin', 'shared'),
    ];
    await eventually('all are attached', async () => (await attachEvents()) >= attached.length);
    attached[0]?.type('first\n');
    await eventually('all see the first line', () =>
      attached.every((client) => client.stdout().includes('got first\n')),
    );
    attached[1]?.type('end\n');
    const codes = await Promise.all(attached.map((client) => client.end));
    assert.deepEqual(codes, [6, 6, 6]);
    for (const client of attached) assert.match(client.stdout(), /got first\ngot end\n$/);
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
    const stalled = docker.background('attach', '--no-stdin', 'busy');
    const fed = docker.background('attach', 'busy');
    stalled.child.stdout?.pause();
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
    stalled.child.kill('SIGSTOP');
    fed.type('go\n');
    await eventually(
      'the container goes on',
      async () => (await docker('exec', 'busy', 'cat', '/done')).stdout === 'finished\n',
      { every: 50 },
    );
    const log = await docker.ok('logs', 'busy');
    assert.equal(log, Array.from({ length: lines }, (_, at) => String(at + 1)).join('\n'));
    await eventually('the other client has it all', () => fed.stdout().endsWith(`\n${lines}\n`));
    stalled.child.kill('SIGCONT');
    stalled.child.stdout?.resume();
    await docker.ok('kill', 'busy');
    await Promise.all([stalled.end, fed.end]);
  });

  test('a client that dies leaves the container alone', async () => {
    await docker.ok('run', '-di', '--name=left', busybox, 'sh', '-c', 'while read -r line; do echo "got $line"; done');
    const client = docker.background('attach', '--sig-proxy=false', 'left');
    client.type('one\n');
    await eventually('it answers', () => client.stdout().includes('got one'));
    client.child.kill('SIGKILL');
    await client.end;
    assert.equal(await docker.field('left', '{{.State.Running}}'), 'true');
    const second = docker.background('attach', 'left');
    second.type('two\n');
    await eventually('it answers the next client', () => second.stdout().includes('got two'));
    second.child.kill('SIGKILL');
    await second.end;
  });

  test('signals for the client reach the container', async () => {
    const script = 'trap "echo caught; exit 8" INT; echo ready; while :; do sleep 0.05; done';
    const client = docker.background('run', '--rm', busybox, 'sh', '-c', script);
    await eventually('it is ready', () => client.stdout().includes('ready'));
    client.child.kill('SIGINT');
    assert.equal(await client.end, 8);
    assert.match(client.stdout(), /caught/);
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
