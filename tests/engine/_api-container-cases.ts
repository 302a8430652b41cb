import assert from 'node:assert/strict';
import { eventually } from '../support/wait.ts';
import { tarOf } from '../support/tar.ts';
import type { CallOptions } from './_api-calls.ts';
import type { Cases, World } from './_api-world.ts';
import { busybox } from './_docker.ts';

interface Listed {
  readonly Id: string;
  readonly SizeRootFs?: number;
}
interface Inspected {
  readonly Name: string;
  readonly SizeRootFs?: number;
  readonly HostConfig: { readonly CpuShares: number };
  readonly State: {
    readonly Running: boolean;
    readonly Paused: boolean;
    readonly ExitCode: number;
    readonly StartedAt: string;
  };
}

const list = async ({ calls }: World, query: Record<string, string>): Promise<readonly Listed[]> =>
  calls.json<Listed[]>('ContainerList', { query });
const idsOf = (listed: readonly Listed[]): readonly string[] => listed.map(({ Id }) => Id);
const inspect = ({ calls }: World, id: string, query: Record<string, string> = {}): Promise<Inspected> =>
  calls.json<Inspected>('ContainerInspect', { id, query });
const status = async ({ calls }: World, ...call: Parameters<World['calls']['ask']>): Promise<number> =>
  (await calls.ask(...call)).status;
/** A container of `docker create`. */
const made = ({ docker }: World, ...flags: readonly string[]): Promise<string> =>
  docker.ok('create', ...flags, busybox, 'true');

/** Says what signals it gets, and goes on. */
const trapping = 'trap "echo got; exit 7" USR1; trap "" TERM; echo ready; while :; do sleep 0.1; done';
/** Says its terminal's new size. */
const measuring = 'trap "stty size" WINCH; echo ready; while :; do sleep 0.1; done';

export const containerCases: Cases<
  | 'ContainerList'
  | 'ContainerCreate'
  | 'ContainerInspect'
  | 'ContainerTop'
  | 'ContainerChanges'
  | 'ContainerExport'
  | 'ContainerResize'
  | 'ContainerStart'
  | 'ContainerStop'
  | 'ContainerRestart'
  | 'ContainerKill'
  | 'ContainerUpdate'
  | 'ContainerRename'
  | 'ContainerPause'
  | 'ContainerUnpause'
  | 'ContainerWait'
  | 'ContainerDelete'
  | 'ContainerArchiveInfo'
  | 'ContainerArchive'
  | 'PutContainerArchive'
  | 'ContainerPrune'
> = {
  ContainerList: {
    all: async (world) => {
      const id = await made(world);
      assert.deepEqual(idsOf(await list(world, {})), []);
      assert.deepEqual(idsOf(await list(world, { all: '1' })), [id]);
    },
    limit: async (world) => {
      await made(world);
      const youngest = await made(world);
      assert.deepEqual(idsOf(await list(world, { limit: '1' })), [youngest]);
    },
    size: async (world) => {
      await made(world);
      assert.equal((await list(world, { all: '1' }))[0]?.SizeRootFs, undefined);
      assert.ok(((await list(world, { all: '1', size: '1' }))[0]?.SizeRootFs ?? 0) > 0);
    },
    filters: async (world) => {
      const id = await made(world, '--label=team=red');
      await made(world, '--label=team=blue');
      assert.deepEqual(idsOf(await list(world, { all: '1', filters: '{"label":["team=red"]}' })), [id]);
    },
  },
  ContainerCreate: {
    name: async (world) => {
      const { Id } = await world.calls.json<{ Id: string }>('ContainerCreate', {
        query: { name: 'given' },
        body: { Image: busybox },
      });
      assert.equal((await inspect(world, Id)).Name, '/given');
    },
    platform: async (world) => {
      const options = { query: { platform: 'linux/s390x' }, body: { Image: busybox } };
      assert.equal(await status(world, 'ContainerCreate', options), 404);
      assert.equal(await status(world, 'ContainerCreate', { ...options, query: { platform: 'linux' } }), 201);
    },
  },
  ContainerInspect: {
    size: async (world) => {
      const id = await made(world);
      assert.equal((await inspect(world, id)).SizeRootFs, undefined);
      assert.ok(((await inspect(world, id, { size: '1' })).SizeRootFs ?? 0) > 0);
    },
  },
  ContainerTop: {
    ps_args: async ({ calls, sleeper }) => {
      const id = await sleeper();
      const { Titles } = await calls.json<{ Titles: string[] }>('ContainerTop', {
        id,
        query: { ps_args: '-o pid,comm' },
      });
      assert.deepEqual(Titles, ['PID', 'COMMAND']);
    },
  },
  ContainerChanges: async ({ calls, sleeper, docker }) => {
    const id = await sleeper();
    await docker.ok('exec', id, 'touch', '/new');
    assert.deepEqual(await calls.json('ContainerChanges', { id }), [{ Path: '/new', Kind: 1 }]);
  },
  ContainerExport: async ({ calls, sleeper }) => {
    const { text } = await calls.ask('ContainerExport', { id: await sleeper() });
    assert.match(text, /etc\/passwd\0[^]*ustar/);
  },
  ContainerResize: {
    h: async ({ calls, ready, logged }) => {
      const id = await ready(measuring, '-t');
      assert.equal((await calls.ask('ContainerResize', { id, query: { h: '31', w: '91' } })).status, 200);
      await logged(id, '31 91');
    },
    w: async ({ calls, ready }) => {
      const id = await ready(measuring, '-t');
      assert.equal((await calls.ask('ContainerResize', { id, query: { h: '31', w: 'wide' } })).status, 400);
    },
  },
  ContainerStart: {
    detachKeys: async (world) => {
      const id = await made(world, '-it');
      assert.equal(await status(world, 'ContainerStart', { id, query: { detachKeys: 'ctrl-x' } }), 204);
    },
  },
  ContainerStop: {
    signal: async (world) => {
      const id = await world.ready(trapping);
      assert.equal(await status(world, 'ContainerStop', { id, query: { signal: 'SIGUSR1' } }), 204);
      assert.equal((await inspect(world, id)).State.ExitCode, 7);
    },
    t: async (world) => {
      const id = await world.ready(trapping);
      assert.equal(await status(world, 'ContainerStop', { id, query: { t: '0' } }), 204);
      assert.equal((await inspect(world, id)).State.ExitCode, 137);
    },
  },
  ContainerRestart: {
    signal: async (world) => {
      const id = await world.ready(trapping);
      assert.equal(await status(world, 'ContainerRestart', { id, query: { signal: 'SIGUSR1' } }), 204);
      await world.logged(id, 'got');
      assert.ok((await inspect(world, id)).State.Running);
    },
    t: async (world) => {
      const id = await world.ready(trapping);
      const { StartedAt } = (await inspect(world, id)).State;
      assert.equal(await status(world, 'ContainerRestart', { id, query: { t: '0' } }), 204);
      assert.notEqual((await inspect(world, id)).State.StartedAt, StartedAt);
    },
  },
  ContainerKill: {
    signal: async (world) => {
      const id = await world.ready(trapping);
      assert.equal(await status(world, 'ContainerKill', { id, query: { signal: 'USR1' } }), 204);
      await world.logged(id, 'got');
    },
  },
  ContainerUpdate: async (world) => {
    const id = await world.sleeper();
    await world.calls.json('ContainerUpdate', { id, body: { CpuShares: 512 } });
    assert.equal((await inspect(world, id)).HostConfig.CpuShares, 512);
  },
  ContainerRename: {
    name: async (world) => {
      const id = await made(world);
      assert.equal(await status(world, 'ContainerRename', { id, query: { name: 'renamed' } }), 204);
      assert.equal((await inspect(world, 'renamed')).Name, '/renamed');
    },
  },
  ContainerPause: async (world) => {
    const id = await world.sleeper();
    assert.equal(await status(world, 'ContainerPause', { id }), 204);
    assert.ok((await inspect(world, id)).State.Paused);
  },
  ContainerUnpause: async (world) => {
    const id = await world.sleeper();
    await world.docker.ok('pause', id);
    assert.equal(await status(world, 'ContainerUnpause', { id }), 204);
    assert.ok(!(await inspect(world, id)).State.Paused);
  },
  ContainerWait: {
    condition: async ({ calls, sleeper, docker }) => {
      const id = await sleeper('--rm');
      const removed = calls.json('ContainerWait', { id, query: { condition: 'removed' } });
      await docker.ok('kill', id);
      assert.deepEqual(await removed, { StatusCode: 137 });
      assert.equal((await calls.ask('ContainerInspect', { id })).status, 404);
      assert.equal((await calls.ask('ContainerWait', { id, query: { condition: 'never' } })).status, 400);
    },
  },
  ContainerDelete: {
    v: async (world) => {
      const anonymous = async () => (await world.docker.ok('volume', 'ls', '-q')).split('\n').filter(Boolean).length;
      assert.equal(await status(world, 'ContainerDelete', { id: await made(world, '-v', '/anonymous') }), 204);
      assert.equal(await anonymous(), 1);
      const options: CallOptions = { id: await made(world, '-v', '/anonymous'), query: { v: '1' } };
      assert.equal(await status(world, 'ContainerDelete', options), 204);
      assert.equal(await anonymous(), 1);
    },
    force: async (world) => {
      const id = await world.sleeper();
      assert.equal(await status(world, 'ContainerDelete', { id }), 409);
      assert.equal(await status(world, 'ContainerDelete', { id, query: { force: '1' } }), 204);
    },
    link: async (world) => {
      await world.sleeper('--name=target');
      const id = await world.sleeper('--name=linked', '--link=target:alias');
      assert.equal(await status(world, 'ContainerDelete', { id: 'linked/alias', query: { link: '1' } }), 204);
      assert.ok((await inspect(world, id)).State.Running);
      assert.equal(await world.docker.ok('inspect', '-f', '{{json .HostConfig.Links}}', id), 'null');
    },
  },
  ContainerArchiveInfo: {
    path: async ({ calls, sleeper }) => {
      const { headers } = await calls.ask('ContainerArchiveInfo', {
        id: await sleeper(),
        query: { path: '/etc/passwd' },
      });
      const stat = Buffer.from(String(headers['x-docker-container-path-stat']), 'base64').toString();
      assert.equal((JSON.parse(stat) as { name: string }).name, 'passwd');
    },
  },
  ContainerArchive: {
    path: async ({ calls, sleeper }) => {
      const { text } = await calls.ask('ContainerArchive', { id: await sleeper(), query: { path: '/etc/passwd' } });
      assert.match(text, /^passwd\0[^]*root:x:0:0/);
    },
  },
  PutContainerArchive: {
    path: async (world) => {
      const id = await world.sleeper();
      const body = tarOf([{ name: 'put', body: 'content' }]).toString('latin1');
      assert.equal(await status(world, 'PutContainerArchive', { id, query: { path: '/tmp' }, body }), 200);
      assert.equal(await world.docker.ok('exec', id, 'cat', '/tmp/put'), 'content');
    },
    noOverwriteDirNonDir: async (world) => {
      const id = await world.sleeper();
      await world.docker.ok('exec', id, 'touch', '/tmp/kind');
      const query = { path: '/tmp', noOverwriteDirNonDir: '1' };
      const body = tarOf([{ name: 'kind/' }]).toString('latin1');
      assert.ok((await status(world, 'PutContainerArchive', { id, query, body })) >= 400);
      assert.equal(await status(world, 'PutContainerArchive', { id, query: { path: '/tmp' }, body }), 200);
    },
    copyUIDGID: async (world) => {
      const id = await world.sleeper('--user=1000:2000');
      const put = async (more: Record<string, string>) => {
        const body = tarOf([{ name: 'owned', uid: 5, gid: 6 }]).toString('latin1');
        assert.equal(await status(world, 'PutContainerArchive', { id, query: { path: '/tmp', ...more }, body }), 200);
        return world.docker.ok('exec', id, 'stat', '-c', '%u:%g', '/tmp/owned');
      };
      assert.equal(await put({}), '5:6');
      assert.equal(await put({ copyUIDGID: '1' }), '1000:2000');
    },
  },
  ContainerPrune: {
    filters: async (world) => {
      const gone = await made(world, '--label=old');
      const kept = await made(world);
      const { ContainersDeleted } = await world.calls.json<{ ContainersDeleted: string[] }>('ContainerPrune', {
        query: { filters: '{"label":["old"]}' },
      });
      assert.deepEqual(ContainersDeleted, [gone]);
      await eventually('the other one is there', async () => (await inspect(world, kept)).Name !== '');
    },
  },
};
