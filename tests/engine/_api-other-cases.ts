import assert from 'node:assert/strict';
import { isOracle } from '../support/engine.ts';
import { eventually } from '../support/wait.ts';
import type { OpenCall } from './_api-calls.ts';
import type { Cases, World } from './_api-world.ts';

interface ExecWishes {
  readonly body: Readonly<Record<string, unknown>>;
  readonly start?: Readonly<Record<string, unknown>>;
}

async function createExec(world: World, body: ExecWishes['body']): Promise<string> {
  const id = await world.sleeper();
  const wishes = { AttachStdout: true, AttachStderr: true, ...body };
  return (await world.calls.json<{ Id: string }>('ContainerExec', { id, body: wishes })).Id;
}

/** Starts an exec in a container of its own; its output stays open for the caller to close. */
async function exec(world: World, { body, start = {} }: ExecWishes): Promise<OpenCall & { readonly exec: string }> {
  const exec = await createExec(world, body);
  const client = world.calls.open('ExecStart', { id: exec, body: { Tty: body['Tty'] === true, ...start } });
  return Object.assign(client, { exec });
}

/** What an exec printed until its end. */
async function outputOf(
  world: World,
  ...wishes: Parameters<typeof exec> extends [World, ...infer Rest] ? Rest : never
) {
  using client = await exec(world, ...wishes);
  await client.closed;
  return client.text();
}

const sh = (script: string): readonly string[] => ['sh', '-c', script];
const measuring = sh('trap "stty size" WINCH; echo ready; while :; do sleep 0.1; done');

/** crun 1.8 gives an exec's terminal its size a moment after the process began. */
const sizeOnceKnown = sh('until stty size | grep -q "9[89]$"; do sleep 0.1; done; stty size');

interface ExecState {
  readonly Running: boolean;
  readonly ExitCode: number | null;
}

export const execCases: Cases<'ContainerExec' | 'ExecStart' | 'ExecResize' | 'ExecInspect'> = {
  ContainerExec: {
    Cmd: async (world) => assert.match(await outputOf(world, { body: { Cmd: ['echo', 'one word'] } }), /one word\n/),
    AttachStdin: async (world) => {
      using client = await exec(world, { body: { Cmd: ['cat'], AttachStdin: true } });
      await client.says(/101/);
      client.write('typed\n');
      await client.says('typed');
    },
    AttachStdout: async (world) => {
      const text = await outputOf(world, { body: { Cmd: sh('echo good; echo bad >&2'), AttachStdout: false } });
      assert.deepEqual([text.includes('good'), text.includes('bad')], [false, true]);
    },
    AttachStderr: async (world) => {
      const text = await outputOf(world, { body: { Cmd: sh('echo good; echo bad >&2'), AttachStderr: false } });
      assert.deepEqual([text.includes('good'), text.includes('bad')], [true, false]);
    },
    Tty: async (world) => {
      const script = sh('test -t 1 && echo terminal || echo pipe');
      assert.match(await outputOf(world, { body: { Cmd: script } }), /pipe\n/);
      assert.match(await outputOf(world, { body: { Cmd: script, Tty: true } }), /terminal\r\n/);
    },
    ConsoleSize: async (world) =>
      assert.match(await outputOf(world, { body: { Cmd: sizeOnceKnown, Tty: true, ConsoleSize: [33, 99] } }), /33 99/),
    DetachKeys: async (world) => {
      const body = { Cmd: ['cat'], Tty: true, AttachStdin: true, DetachKeys: 'ctrl-x' };
      using client = await exec(world, { body });
      await client.says(/101/);
      client.write('\x18');
      await client.closed;
      // With Docker it ends: its stdin is closed.
      if (isOracle()) return;
      assert.ok((await world.calls.json<ExecState>('ExecInspect', { id: client.exec })).Running);
    },
    Env: async (world) =>
      assert.match(await outputOf(world, { body: { Cmd: sh('echo "<$GIVEN>"'), Env: ['GIVEN=yes'] } }), /<yes>/),
    Privileged: async (world) => {
      const Cmd = sh('grep CapEff /proc/self/status');
      const plain = await outputOf(world, { body: { Cmd } });
      assert.notEqual(
        /CapEff.*/.exec(await outputOf(world, { body: { Cmd, Privileged: true } }))?.[0],
        /CapEff.*/.exec(plain)?.[0],
      );
    },
    User: async (world) => assert.match(await outputOf(world, { body: { Cmd: ['id', '-u'], User: '4321' } }), /4321\n/),
    WorkingDir: async (world) =>
      assert.match(await outputOf(world, { body: { Cmd: ['pwd'], WorkingDir: '/tmp' } }), /\/tmp\n/),
  },
  ExecStart: {
    Detach: async (world) => {
      const id = await createExec(world, { Cmd: ['sleep', '1000'] });
      assert.equal((await world.calls.ask('ExecStart', { id, body: { Detach: true } })).status, 200);
      assert.ok((await world.calls.json<ExecState>('ExecInspect', { id })).Running);
    },
    Tty: async (world) => {
      // Frames begin with the number of their stream.
      const framed = await outputOf(world, { body: { Cmd: ['echo', 'out'] }, start: { Tty: false } });
      assert.ok(framed.includes('\x01\0\0\0\0\0\0\x04out\n'), JSON.stringify(framed));
      const bare = await outputOf(world, { body: { Cmd: ['echo', 'out'], Tty: true }, start: { Tty: true } });
      assert.ok(bare.endsWith('\r\n\r\nout\r\n'), JSON.stringify(bare));
    },
    ConsoleSize: async (world) => {
      const wishes = { body: { Cmd: sizeOnceKnown, Tty: true }, start: { ConsoleSize: [34, 98] } };
      assert.match(await outputOf(world, wishes), /34 98/);
    },
  },
  ExecResize: {
    h: async (world) => {
      using client = await exec(world, { body: { Cmd: measuring, Tty: true } });
      await client.says('ready');
      const answer = await world.calls.ask('ExecResize', { id: client.exec, query: { h: '35', w: '97' } });
      assert.equal(answer.status, 200);
      await client.says('35 97');
    },
    w: async (world) => {
      using client = await exec(world, { body: { Cmd: measuring, Tty: true } });
      await client.says('ready');
      const answer = await world.calls.ask('ExecResize', { id: client.exec, query: { h: '35', w: 'wide' } });
      assert.equal(answer.status, 400);
    },
  },
  ExecInspect: async (world) => {
    using client = await exec(world, { body: { Cmd: sh('exit 7') } });
    await client.closed;
    await eventually('its exit code is told', async () => {
      const { Running, ExitCode } = await world.calls.json<ExecState>('ExecInspect', { id: client.exec });
      return !Running && ExitCode === 7;
    });
  },
};

const auth = async ({ calls }: World, body: Readonly<Record<string, unknown>>) => calls.ask('SystemAuth', { body });

export const systemCases: Cases<
  'SystemAuth' | 'SystemInfo' | 'SystemVersion' | 'SystemPing' | 'SystemPingHead' | 'SystemEvents' | 'SystemDataUsage'
> = {
  // What good and bad credentials come to is tested with a registry in system-login.test.ts. Docker answers 500 here.
  SystemAuth: {
    username: async (world) => assert.ok((await auth(world, { username: 5 })).status >= 400),
    password: async (world) => assert.ok((await auth(world, { password: 5 })).status >= 400),
    serveraddress: async (world) =>
      assert.match(
        (await auth(world, { username: 'a', password: 'b', serveraddress: '127.0.0.1:1' })).text,
        /127\.0\.0\.1:1/,
      ),
  },
  SystemInfo: async ({ calls }) => assert.ok((await calls.json<{ NCPU: number }>('SystemInfo')).NCPU > 0),
  SystemVersion: async ({ calls }) =>
    assert.match((await calls.json<{ ApiVersion: string }>('SystemVersion')).ApiVersion, /^1\.\d+$/),
  SystemPing: async ({ calls }) => assert.equal((await calls.ask('SystemPing')).text, 'OK'),
  SystemPingHead: async ({ calls }) => {
    const { status, headers, text } = await calls.ask('SystemPingHead');
    assert.deepEqual([status, text], [200, '']);
    assert.match(String(headers['api-version']), /^1\.\d+$/);
  },
  SystemEvents: {
    since: async ({ calls, sleeper }) => {
      const before = await sleeper();
      const since = (Date.now() / 1000).toFixed(3);
      const after = await sleeper();
      const query = { since, until: (Date.now() / 1000).toFixed(3) };
      const { text } = await calls.ask('SystemEvents', { query });
      assert.deepEqual([text.includes(before), text.includes(after)], [false, true]);
    },
    until: async ({ calls, sleeper }) => {
      const id = await sleeper();
      const { text } = await calls.ask('SystemEvents', {
        query: { since: '1', until: (Date.now() / 1000).toFixed(3) },
      });
      assert.ok(text.includes(id));
    },
    filters: async ({ calls, sleeper }) => {
      await sleeper();
      const query = { since: '1', until: (Date.now() / 1000).toFixed(3), filters: '{"type":["network"]}' };
      const { text } = await calls.ask('SystemEvents', { query });
      assert.match(text, /"Type":"network"/);
      assert.doesNotMatch(text, /"Type":"container"/);
    },
  },
  SystemDataUsage: {
    type: async ({ calls }) => {
      const usage = await calls.json<Record<string, unknown>>('SystemDataUsage', { query: { type: 'volume' } });
      assert.deepEqual([Array.isArray(usage['Volumes']), usage['Containers']], [true, null]);
    },
    verbose: async ({ calls, docker }) => {
      await docker.ok('volume', 'create', 'weighed');
      // Docker 28 knows no API 1.52.
      const minor = isOracle() ? 51 : 52;
      const usage = await calls.json('SystemDataUsage', { minor, query: { type: 'volume', verbose: '1' } });
      assert.match(JSON.stringify(usage), /"Name":"weighed"/);
    },
  },
};

interface VolumeView {
  readonly Name: string;
  readonly Driver: string;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly Options: Readonly<Record<string, string>> | null;
}
const createVolume = ({ calls }: World, body: Readonly<Record<string, unknown>>): Promise<VolumeView> =>
  calls.json<VolumeView>('VolumeCreate', { body });
const noSwarm = /swarm/i;

export const volumeCases: Cases<
  'VolumeList' | 'VolumeCreate' | 'VolumeInspect' | 'VolumeUpdate' | 'VolumeDelete' | 'VolumePrune'
> = {
  VolumeList: {
    filters: async (world) => {
      await createVolume(world, { Name: 'red', Labels: { team: 'red' } });
      await createVolume(world, { Name: 'blue', Labels: { team: 'blue' } });
      const query = { filters: '{"label":["team=red"]}' };
      const { Volumes } = await world.calls.json<{ Volumes: VolumeView[] }>('VolumeList', { query });
      assert.deepEqual(
        Volumes.map(({ Name }) => Name),
        ['red'],
      );
    },
  },
  VolumeCreate: {
    Name: async (world) => assert.equal((await createVolume(world, { Name: 'named' })).Name, 'named'),
    Driver: async (world) => {
      assert.equal((await createVolume(world, { Driver: 'local' })).Driver, 'local');
      const { status } = await world.calls.ask('VolumeCreate', { body: { Driver: 'nosuch' } });
      assert.equal(status, 404);
    },
    DriverOpts: async (world) => {
      const DriverOpts = { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' };
      assert.deepEqual((await createVolume(world, { DriverOpts })).Options, DriverOpts);
    },
    Labels: async (world) =>
      assert.deepEqual((await createVolume(world, { Name: 'labelled', Labels: { a: 'b' } })).Labels, { a: 'b' }),
    ClusterVolumeSpec: async ({ calls }) => {
      const { status, text } = await calls.ask('VolumeCreate', { body: { Name: 'cluster', ClusterVolumeSpec: {} } });
      assert.equal(status, 503);
      assert.match(text, noSwarm);
    },
  },
  VolumeInspect: async (world) => {
    await createVolume(world, { Name: 'seen' });
    assert.equal((await world.calls.json<VolumeView>('VolumeInspect', { id: 'seen' })).Name, 'seen');
  },
  VolumeUpdate: {
    version: async (world) => {
      await createVolume(world, { Name: 'fixed' });
      const { status, text } = await world.calls.ask('VolumeUpdate', {
        id: 'fixed',
        query: { version: '1' },
        body: {},
      });
      assert.ok(status >= 400);
      assert.match(text, noSwarm);
    },
  },
  VolumeDelete: {
    force: async ({ calls }) => {
      assert.equal((await calls.ask('VolumeDelete', { id: 'nosuch' })).status, 404);
      assert.equal((await calls.ask('VolumeDelete', { id: 'nosuch', query: { force: '1' } })).status, 204);
    },
  },
  VolumePrune: {
    filters: async (world) => {
      await createVolume(world, { Name: 'kept' });
      await createVolume(world, { Name: 'old', Labels: { old: '' } });
      const query = { filters: '{"all":["true"],"label":["old"]}' };
      const { VolumesDeleted } = await world.calls.json<{ VolumesDeleted: string[] }>('VolumePrune', { query });
      assert.deepEqual(VolumesDeleted, ['old']);
    },
  },
};
