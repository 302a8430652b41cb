/** Docker's protocol of volume plugins: what the plugin is asked, what clients see, and what a bad one can do. */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { busyboxLayer, dockerArchive, layerOf } from '../support/crafted-image.ts';
import { engineSuite } from '../support/suite.ts';
import { describePlugins, VolumePlugin } from '../support/volume-plugin.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

let made: VolumePlugin | undefined;
const plugin = (): VolumePlugin => made as VolumePlugin;

engineSuite(
  'volumes of plugins',
  {
    async prepare(engine) {
      const folder = join(engine.folder, 'plugin');
      await mkdir(folder);
      made = new VolumePlugin(folder, 'keeper');
      await made.listen();
      await describePlugins(engine, { keeper: made.socket });
    },
  },
  (engine) => {
    const docker = dockerOf(engine);
    const inspect = async (name: string) =>
      (JSON.parse(await docker.ok('volume', 'inspect', name)) as Record<string, unknown>[])[0] ?? {};
    const fails = async (says: RegExp, ...command: string[]) => {
      const { code, stderr } = await docker(...command);
      assert.notEqual(code, 0, command.join(' '));
      assert.match(stderr, says);
    };
    const balanced = (name: string) =>
      eventually('every mount is given back', () => plugin().mountsOf(name).length === 0);
    const misbehaving = async (
      wrong: (typeof made & object)['misbehaves'],
      work: () => Promise<unknown>,
    ): Promise<void> => {
      plugin().misbehaves = wrong;
      try {
        await work();
      } finally {
        plugin().misbehaves = () => undefined;
      }
    };

    test('create, list, inspect, use and remove: the plugin is asked, and holds the files', async () => {
      plugin().calls.length = 0;
      const since = String(Date.now() / 1000);
      const create = ['volume', 'create', '-d', 'keeper', '--label', 'a=b', '-o', 'copies=3', 'kept'];
      assert.equal(await docker.ok(...create), 'kept');
      const methods = plugin().calls.map(({ method }) => method);
      assert.ok(methods.indexOf('Get') < methods.indexOf('Create'), methods.join());
      assert.deepEqual(plugin().calls.find(({ method }) => method === 'Create')?.options, { copies: '3' });
      assert.equal(await docker.ok('volume', 'ls', '--format', '{{.Driver}} {{.Name}}'), 'keeper kept');
      assert.equal(await docker.ok('volume', 'ls', '-q', '--filter', 'driver=local'), '');
      assert.equal(await docker.ok('volume', 'ls', '-q', '--filter', 'driver=keeper', '--filter', 'label=a'), 'kept');
      assert.deepEqual(await inspect('kept'), {
        Name: 'kept',
        Driver: 'keeper',
        Mountpoint: plugin().dataOf('kept'),
        CreatedAt: '2024-01-02T03:04:05Z',
        Labels: { a: 'b' },
        Options: { copies: '3' },
        Scope: 'local',
        Status: { copies: 3, options: { copies: '3' } },
      });
      await docker.ok(
        'run',
        '-d',
        '--name=one',
        '-v',
        'kept:/data',
        busybox,
        'sh',
        '-c',
        'echo x > /data/file; sleep 1000',
      );
      const mounts = JSON.parse(await docker.field('one', '{{json .Mounts}}')) as object[];
      const Source = plugin().dataOf('kept');
      const [Type, Destination, Mode] = ['volume', '/data', ''];
      const expected = { Type, Name: 'kept', Source, Destination, Driver: 'keeper', Mode, RW: true, Propagation: '' };
      assert.deepEqual(mounts, [expected]);
      assert.equal(plugin().mountsOf('kept').length, 1);
      assert.equal(await docker.ok('run', '--rm', '-v', 'kept:/data:ro', busybox, 'cat', '/data/file'), 'x');
      assert.equal(await readFile(join(plugin().dataOf('kept'), 'file'), 'utf8'), 'x\n');
      await eventually('the second gave its mount back', () => plugin().mountsOf('kept').length === 1);
      await fails(/remove kept: volume is in use - \[[0-9a-f]{64}\]/, 'volume', 'rm', 'kept');
      await docker.ok('rm', '-f', 'one');
      await balanced('kept');
      await docker.ok('volume', 'rm', 'kept');
      assert.equal(plugin().volumes.size, 0);
      await fails(/get kept: no such volume/i, 'volume', 'inspect', 'kept');
      const events = await docker.ok(
        'events',
        `--since=${since}`,
        `--until=${Date.now() / 1000}`,
        '--filter=type=volume',
        '--format={{.Action}} {{.Actor.ID}} {{index .Actor.Attributes "driver"}}',
      );
      const told = ['create', 'mount', 'mount', 'unmount', 'unmount', 'destroy'].map((one) => `${one} kept keeper`);
      assert.deepEqual(events.split('\n').toSorted(), told.toSorted());
    });

    test('a container names the driver, and an empty volume is filled from the image', async () => {
      const layers = [await busyboxLayer(), layerOf({ name: 'data/' }, { name: 'data/file', body: 'of the image' })];
      await docker.ok('volume', 'ls');
      await engine().dockerOk(['load'], { input: dockerArchive({ names: ['crafted:prefilled'], layers, config: {} }) });
      const run = (...flags: string[]) => docker.ok('run', '--rm', ...flags, 'crafted:prefilled', 'cat', '/data/file');
      assert.equal(await run('--volume-driver=keeper', '-v', 'first:/data'), 'of the image');
      const mount = 'type=volume,source=second,target=/data,volume-driver=keeper,volume-opt=a=1,volume-label=x=y';
      assert.equal(await run('--mount', mount), 'of the image');
      assert.deepEqual(plugin().volumes.get('second')?.options, { a: '1' });
      assert.deepEqual((await inspect('second'))['Labels'], { x: 'y' });
      await docker.ok(
        'run',
        '-d',
        '--name=nameless',
        '--volume-driver=keeper',
        '-v',
        '/data',
        'crafted:prefilled',
        'sleep',
        '9',
      );
      const anonymous = await docker.field('nameless', '{{(index .Mounts 0).Name}}');
      assert.match(anonymous, /^[0-9a-f]{64}$/);
      assert.equal(plugin().mountsOf(anonymous).length, 1);
      await docker.ok('rm', '-f', '-v', 'nameless');
      await eventually('the nameless one is gone', () => !plugin().volumes.has(anonymous));
      for (const name of ['first', 'second']) await balanced(name);
    });

    test('a name is one volume: the driver that has it keeps it', async () => {
      await docker.ok('volume', 'create', '-d', 'keeper', 'taken');
      await docker.ok('volume', 'create', 'mine');
      const says = (driver: string, name: string) =>
        new RegExp(`create ${name}: driver '${driver}' already has volume '${name}': volume name must be unique`);
      await fails(says('keeper', 'taken'), 'volume', 'create', '-d', 'local', 'taken');
      await fails(says('local', 'mine'), 'volume', 'create', '-d', 'keeper', 'mine');
      const answer = await engine().api('POST', '/volumes/create', { Name: 'mine', Driver: 'keeper' });
      assert.equal(answer.status, 409);
      assert.equal((await engine().api('POST', '/volumes/create', { Name: 'taken' })).status, 201);
      assert.equal(plugin().count('Create', 'taken'), 1);
      // What the plugin got from elsewhere is found by its name.
      plugin().volumes.set('elsewhere', { options: {}, mounted: new Set() });
      await mkdir(plugin().dataOf('elsewhere'), { recursive: true });
      await writeFile(join(plugin().dataOf('elsewhere'), 'file'), 'from elsewhere');
      assert.deepEqual((await docker.ok('volume', 'ls', '-q')).split('\n').toSorted(), ['elsewhere', 'mine', 'taken']);
      assert.equal((await inspect('elsewhere'))['Driver'], 'keeper');
      assert.equal(await docker.ok('run', '--rm', '-v', 'elsewhere:/v', busybox, 'cat', '/v/file'), 'from elsewhere');
      await balanced('elsewhere');
    });

    test('what the plugin refuses is told in its words, and changes nothing', async () => {
      const refusal = [200, '{"Err":"the disks are full"}'] as const;
      await misbehaving(
        ({ method }) => (method === 'Create' ? refusal : undefined),
        () => fails(/create no: the disks are full/, 'volume', 'create', '-d', 'keeper', 'no'),
      );
      await misbehaving(
        ({ method }) => (method === 'Create' ? [500, '{"Err":"out of order"}'] : undefined),
        () => fails(/create no: VolumeDriver.Create: out of order/, 'volume', 'create', '-d', 'keeper', 'no'),
      );
      assert.equal(await docker.ok('volume', 'ls', '-q'), '');
      await docker.ok('volume', 'create', '-d', 'keeper', 'yes');
      await misbehaving(
        ({ method }) => (method === 'Mount' ? refusal : undefined),
        () => fails(/error while mounting volume '.*': .*the disks are full/, 'run', '--rm', '-v', 'yes:/v', busybox),
      );
      await misbehaving(
        ({ method }) => (method === 'Remove' ? refusal : undefined),
        () => fails(/remove yes: .*the disks are full/, 'volume', 'rm', 'yes'),
      );
      assert.equal(await docker.ok('volume', 'ls', '-q'), 'yes');
      await docker.ok('run', '--rm', '-v', 'yes:/v', busybox, 'true');
      await balanced('yes');
      await fails(
        /error looking up volume plugin nobody: plugin "nobody" not found/,
        'volume',
        'create',
        '-d',
        'nobody',
        'x1',
      );
      if (!isOracle())
        await fails(/plugin "nobody" not found/, 'run', '--rm', '--volume-driver=nobody', '-v', 'x2:/v', busybox);
    });

    test('info names it, and its scope is shown', async () => {
      await docker.ok('volume', 'create', '-d', 'keeper', 'scoped');
      const { Plugins } = (await engine().api('GET', '/info')).json<{ Plugins: { Volume: string[] } }>();
      assert.deepEqual(Plugins.Volume, ['keeper', 'local']);
      assert.equal((await inspect('scoped'))['Scope'], 'local');
    });

    const own = { skip: isOracle() && 'an addition of Gantry' };

    test('mountpoints that are none are refused, and the mount is given back', own, async () => {
      await docker.ok('volume', 'create', '-d', 'keeper', 'strange');
      const file = join(plugin().folder, 'file');
      await writeFile(file, '');
      for (const [mountpoint, says] of [
        ['', /an absolute path is expected/],
        ['relative', /an absolute path is expected/],
        ['/', /all of the host/],
        ['/tmp/../etc', /has \.\. in it/],
        [engine().paths.dataRoot, /the engine's own files/],
        [join(engine().paths.dataRoot, 'volumes'), /the engine's own files/],
        [engine().folder, /the engine's own files/],
        [join(plugin().folder, 'none'), /no directory/],
        [file, /no directory/],
        [`/${'x'.repeat(5000)}`, /absolute path is expected/],
      ] as const) {
        const answer = [200, JSON.stringify({ Mountpoint: mountpoint })] as const;
        await misbehaving(
          ({ method }) => (method === 'Mount' ? answer : undefined),
          () => fails(says, 'run', '--rm', '-v', 'strange:/v', busybox, 'true'),
        );
      }
      assert.equal(plugin().count('Mount', 'strange'), plugin().count('Unmount', 'strange'));
    });

    test('garbage and floods of bytes are no answers, and hurt nobody', own, async () => {
      await docker.ok('volume', 'create', '-d', 'keeper', 'lasting');
      for (const answer of [
        [200, 'no JSON at all'],
        [200, '[]'],
        [200, '{"Volumes":7,"Volume":7,"Mountpoint":7,"Err":7}'],
        [200, '{"Volumes":[null,7,{"Name":7},{"Name":""}],"Volume":[]}'],
        [200, Buffer.alloc(20_000_000, 'x')],
        [200, '['.repeat(900_000)],
        [404, Buffer.alloc(5_000_000, 'y')],
        'closes',
      ] as const) {
        await misbehaving(
          ({ method }) => (method === 'Plugin.Activate' ? undefined : answer),
          async () => {
            const { code } = await docker('volume', 'ls');
            assert.equal(code, 0);
            await fails(/./, 'volume', 'create', '-d', 'keeper', 'never');
            assert.equal((await engine().api('GET', '/_ping')).status, 200);
          },
        );
      }
      // It rests for a while after it was bad; asked by name it answers at once.
      assert.equal((await inspect('lasting'))['Driver'], 'keeper');
      assert.equal(await docker.ok('volume', 'ls', '-q'), 'lasting');
    });

    test('one that hangs holds up nobody but who needs it', own, async () => {
      await docker.ok('volume', 'create', '-d', 'keeper', 'stuck');
      await docker.ok('volume', 'create', 'free');
      plugin().misbehaves = ({ method }) => (method === 'Plugin.Activate' ? undefined : 'hangs');
      const starting = docker('run', '--rm', '--name=waits', '-v', 'stuck:/v', busybox, 'true');
      await eventually('the plugin is asked', () => plugin().calls.some(({ name }) => name === 'stuck'));
      assert.equal(await docker.ok('run', '--rm', '-v', 'free:/v', busybox, 'echo', 'ran'), 'ran');
      const listed = (await engine().api('GET', '/volumes')).json<{
        Volumes: { Name: string }[];
        Warnings: string[] | null;
      }>();
      assert.deepEqual(listed.Volumes.map(({ Name }) => Name).toSorted(), ['free', 'stuck']);
      const before = performance.now();
      await docker.ok('run', '--rm', '-v', 'fresh:/v', busybox, 'true');
      assert.ok(performance.now() - before < 4000, 'a plugin that was late is not asked again at once');
      // A shutdown does not wait for it, either.
      await engine().stop();
      plugin().misbehaves = () => undefined;
      await engine().start();
      assert.notEqual((await starting).code, 0);
      await balanced('stuck');
      await docker('rm', '-f', 'waits');
      await docker.ok('run', '--rm', busybox, 'true');
    });

    test('mounts are given back whatever becomes of the engine', own, async () => {
      await docker.ok('volume', 'create', '-d', 'keeper', 'counted');
      const id = await docker.ok('run', '-d', '--name=lives', '-v', 'counted:/v', busybox, 'sleep', '1000');
      await engine().stop('SIGKILL');
      await engine().start();
      assert.equal(await docker.ok('exec', id, 'ls', '/v'), '');
      assert.deepEqual(plugin().count('Mount', 'counted'), 1);
      assert.equal(plugin().mountsOf('counted').length, 1);
      await docker.ok('kill', 'lives');
      await balanced('counted');
      // It ends while no engine is there.
      await docker.ok('start', 'lives');
      const pid = Number(await docker.field('lives', '{{.State.Pid}}'));
      await engine().stop('SIGKILL');
      process.kill(pid, 'SIGKILL');
      await engine().start();
      await balanced('counted');
      // The engine dies while the plugin mounts.
      let mounted = false;
      plugin().misbehaves = (call) => {
        if (call.method !== 'Mount') return undefined;
        mounted = true;
        plugin().volumes.get('counted')?.mounted.add(call.id);
        return 'hangs';
      };
      const starting = docker('start', 'lives');
      await eventually('the plugin mounts', () => mounted);
      await engine().stop('SIGKILL');
      await starting;
      plugin().misbehaves = () => undefined;
      assert.equal(plugin().mountsOf('counted').length, 1);
      await engine().start();
      await balanced('counted');
    });

    test('the engine starts without it; what it had is listed, and can be forgotten', own, async () => {
      await docker.ok('volume', 'create', '-d', 'keeper', '--label', 'a=b', 'orphan');
      await docker.ok('volume', 'create', '-d', 'keeper', 'found');
      await plugin().stop();
      await engine().stop();
      await engine().start();
      assert.equal(await docker.ok('volume', 'ls', '-q', '--filter', 'label=a'), 'orphan');
      await docker.ok('volume', 'rm', '-f', 'orphan');
      assert.equal(await docker.ok('volume', 'ls', '-q'), 'found');
      plugin().volumes.delete('orphan');
      await plugin().listen();
      assert.equal((await inspect('found'))['Driver'], 'keeper');
      await docker.ok('run', '--rm', '-v', 'found:/v', busybox, 'true');
      await balanced('found');
    });
  },
);
