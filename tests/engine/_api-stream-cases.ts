import assert from 'node:assert/strict';
import { eventually } from '../support/wait.ts';
import type { Operation } from './_api-calls.ts';
import type { Case, Cases, World } from './_api-world.ts';
import { busybox } from './_docker.ts';

const bothStreams = { stdout: '1', stderr: '1' };

/** A container that has printed a line to each stream and ended. */
async function printed({ docker }: World): Promise<string> {
  const id = await docker.ok('create', busybox, 'sh', '-c', 'echo good; echo bad >&2');
  await docker.ok('start', '-a', id);
  return id;
}
const logsOf = async ({ calls }: World, id: string, query: Record<string, string>): Promise<string> => {
  const { status, text } = await calls.ask('ContainerLogs', { id, query });
  assert.equal(status, 200, text);
  return text;
};

const echoing = 'echo ready; echo trouble >&2; while read x; do echo "<$x>"; echo "($x)" >&2; done';

/** The cases of both ways to attach; the connection is opened by `upgrade`. */
const attachCases = (
  operation: Operation & ('ContainerAttach' | 'ContainerAttachWebsocket'),
  upgrade: string,
): Readonly<Record<'detachKeys' | 'logs' | 'stream' | 'stdin' | 'stdout' | 'stderr', Case>> => ({
  logs: async ({ calls, ready }) => {
    const id = await ready(echoing, '-i');
    using client = calls.open(operation, { id, query: { logs: '1', stdout: '1' } }, upgrade);
    await client.says('ready');
  },
  stream: async ({ calls, ready }) => {
    const id = await ready(echoing, '-i');
    using client = calls.open(operation, { id, query: { logs: '1', ...bothStreams } }, upgrade);
    // Without it the connection ends behind the log.
    await client.closed;
    using going = calls.open(operation, { id, query: { stream: '1', stdin: '1', ...bothStreams } }, upgrade);
    await going.says(/101/);
    going.write('on\n');
    await going.says('<on>');
  },
  stdin: async ({ calls, ready }) => {
    const id = await ready(echoing, '-i');
    using deaf = calls.open(operation, { id, query: { stream: '1', stdout: '1' } }, upgrade);
    await deaf.says(/101/);
    deaf.write('unheard\n');
    using heard = calls.open(operation, { id, query: { stream: '1', stdin: '1', stdout: '1' } }, upgrade);
    await heard.says(/101/);
    heard.write('heard\n');
    await heard.says('<heard>');
    assert.ok(!heard.text().includes('<unheard>'));
  },
  stdout: async (world) => attachOne(world, operation, upgrade, 'stdout', ['<x>', '(x)']),
  stderr: async (world) => attachOne(world, operation, upgrade, 'stderr', ['(x)', '<x>']),
  detachKeys: async ({ calls, ready, docker }) => {
    const id = await ready(echoing, '-it');
    const query = { stream: '1', stdin: '1', stdout: '1', detachKeys: 'ctrl-x' };
    using client = calls.open(operation, { id, query }, upgrade);
    await client.says(/101/);
    client.write('\x18');
    await client.closed;
    assert.equal(await docker.ok('inspect', '-f', '{{.State.Running}}', id), 'true');
  },
});

async function attachOne(
  { calls, ready }: World,
  operation: Operation,
  upgrade: string,
  stream: 'stdout' | 'stderr',
  [wanted, other]: readonly [string, string],
): Promise<void> {
  const id = await ready(echoing, '-i');
  using both = calls.open(operation, { id, query: { stream: '1', stdin: '1', ...bothStreams } }, upgrade);
  using one = calls.open(operation, { id, query: { stream: '1', [stream]: '1' } }, upgrade);
  await both.says(/101/);
  await one.says(/101/);
  both.write('x\n');
  await both.says('<x>');
  await both.says('(x)');
  await one.says(wanted);
  assert.ok(!one.text().includes(other), one.text());
}

export const streamCases: Cases<'ContainerLogs' | 'ContainerStats' | 'ContainerAttach' | 'ContainerAttachWebsocket'> = {
  ContainerLogs: {
    follow: async (world) => {
      const id = await world.ready('echo ready; read x; echo last', '-i');
      using follower = world.calls.open('ContainerLogs', { id, query: { follow: '1', ...bothStreams } });
      await follower.says('ready');
      using input = world.calls.open('ContainerAttach', { id, query: { stream: '1', stdin: '1', stdout: '1' } });
      await input.says(/101/);
      input.write('go\n');
      await follower.says('last');
    },
    stdout: async (world) => {
      const text = await logsOf(world, await printed(world), { stdout: '1' });
      assert.deepEqual([text.includes('good'), text.includes('bad')], [true, false]);
    },
    stderr: async (world) => {
      const id = await printed(world);
      const text = await logsOf(world, id, { stderr: '1' });
      assert.deepEqual([text.includes('good'), text.includes('bad')], [false, true]);
      assert.equal((await world.calls.ask('ContainerLogs', { id })).status, 400);
    },
    since: async (world) => {
      const id = await printed(world);
      assert.equal(await logsOf(world, id, { ...bothStreams, since: '4102444800' }), '');
      assert.match(await logsOf(world, id, { ...bothStreams, since: '1' }), /good/);
    },
    until: async (world) => {
      const id = await printed(world);
      assert.equal(await logsOf(world, id, { ...bothStreams, until: '1' }), '');
      assert.match(await logsOf(world, id, { ...bothStreams, until: '4102444800' }), /good/);
    },
    timestamps: async (world) => {
      const text = await logsOf(world, await printed(world), { stdout: '1', timestamps: '1' });
      assert.match(text, /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z good\n/);
    },
    tail: async (world) => {
      const id = await printed(world);
      const lines = (await logsOf(world, id, { ...bothStreams, tail: '1' })).match(/good|bad/g);
      assert.equal(lines?.length, 1);
    },
  },
  ContainerStats: {
    stream: async ({ calls, sleeper }) => {
      const id = await sleeper();
      const one = await calls.json<{ precpu_stats: object }>('ContainerStats', { id, query: { stream: 'false' } });
      assert.ok('system_cpu_usage' in one.precpu_stats);
      using going = calls.open('ContainerStats', { id, query: { stream: 'true' } });
      await eventually('two come', () => going.text().split('"preread"').length > 2);
    },
    'one-shot': async ({ calls, sleeper }) => {
      const query = { stream: 'false', 'one-shot': 'true' };
      const one = await calls.json<{ precpu_stats: object }>('ContainerStats', { id: await sleeper(), query });
      assert.ok(!('system_cpu_usage' in one.precpu_stats));
    },
  },
  ContainerAttach: attachCases('ContainerAttach', 'tcp'),
  ContainerAttachWebsocket: attachCases('ContainerAttachWebsocket', 'websocket'),
};
