/** What Docker cannot do: ports, environment, labels and mounts of containers that exist. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

engineSuite('live changes', { skip: isOracle() && 'these are additions' }, (engine) => {
  const docker = dockerOf(engine);
  const update = async (name: string, body: unknown): Promise<[number, Record<string, unknown>]> => {
    const answer = await engine().api('POST', `/containers/${name}/update`, body);
    return [answer.status, answer.json<Record<string, unknown>>()];
  };
  const ok = async (name: string, body: unknown): Promise<Record<string, unknown>> => {
    const [status, value] = await update(name, body);
    assert.equal(status, 200, JSON.stringify(value));
    return value;
  };
  const gantry = (...args: string[]) => {
    const [program, ...first] = gantryProgram;
    return run(program, [...first, ...args], { env: engine().clientEnv() });
  };
  const crash = async (): Promise<void> => {
    await engine().stop('SIGKILL');
    await engine().start();
  };
  const page = (port: number): Promise<string> => engine().fetch(`http://127.0.0.1:${port}/`);
  const opens = (port: number) =>
    eventually(`port ${port} serves`, async () => /served from a container/.test(await page(port)));
  const shuts = (port: number) =>
    eventually(`port ${port} is shut`, () =>
      page(port).then(
        () => false,
        () => true,
      ),
    );
  const ports = (name: string) => docker.ok('port', name);
  const web = (name: string, ...flags: string[]) =>
    docker.ok('run', '-d', '--name', name, '--stop-signal', 'KILL', ...flags, busybox, 'httpd', '-f', '-h', '/var/www');

  test('ports open and close on a running container, and stay so over restarts of both', async () => {
    await web('web', '-p', '8090:80');
    assert.deepEqual(await ok('web', { PublishAdd: { '80/tcp': [{ HostIp: '', HostPort: '8091' }] } }), {
      Warnings: null,
      Pending: [],
      Restarted: false,
    });
    await opens(8091);
    await opens(8090);
    assert.match(await docker.ok('ps', '--format', '{{.Ports}}'), /8090->80.*8091->80/);
    await crash();
    await opens(8091);
    await docker.ok('restart', '-t', '0', 'web');
    await opens(8091);
    await ok('web', { PublishRemove: { '80/tcp': [{ HostIp: '', HostPort: '8090' }] } });
    await shuts(8090);
    await opens(8091);
    assert.doesNotMatch(await ports('web'), /8090/);
    await crash();
    await docker.ok('restart', '-t', '0', 'web');
    await shuts(8090);
    await opens(8091);
    // The port that was closed is free for others.
    await web('other', '-p', '8090:80');
    await opens(8090);
  });

  test('a host port moves from one port of the container to another in one step', async () => {
    await web('web', '-p', '127.0.0.1:8092:81');
    await ok('web', {
      PublishRemove: { '81/tcp': null },
      PublishAdd: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8092' }] },
    });
    await opens(8092);
    assert.equal(await ports('web'), '80/tcp -> 127.0.0.1:8092');
  });

  test('a port that is taken, or not published, changes nothing', async () => {
    await web('web', '-p', '8093:80');
    await web('taken', '-p', '8094:80');
    const before = await docker.field('web', '{{json .HostConfig}} {{json .NetworkSettings.Ports}} {{json .Config}}');
    const add = (HostPort: string) => ({ PublishAdd: { '80/tcp': [{ HostIp: '', HostPort }] } });
    const refused: [unknown, number, RegExp][] = [
      [{ ...add('8094'), EnvAdd: ['A=b'] }, 409, /8094 failed: port is already allocated/],
      [{ ...add('8094'), PublishRemove: { '80/tcp': null } }, 409, /8094 failed: port is already allocated/],
      [add('8093'), 409, /port is already allocated/],
      [{ PublishRemove: { '81/tcp': null } }, 400, /port 81\/tcp is not published/],
      [{ PublishRemove: { '80/tcp': [{ HostPort: '9999' }] } }, 400, /not published on :9999/],
      [{ PublishAdd: { '80/smoke': null } }, 400, /invalid proto: smoke/],
      [add('99999'), 400, /invalid port specification/],
      [{ PublishAdd: 'all' }, 400, /PublishAdd/],
      [{ EnvAdd: ['=x'] }, 400, /invalid environment variable/],
      [{ EnvAdd: ['A=1'], EnvRemove: ['A'] }, 400, /both added and removed/],
      [{ LabelAdd: { a: '1' }, LabelRemove: ['a'] }, 400, /both added and removed/],
      [{ MountRemove: ['/nowhere'] }, 400, /no mount at \/nowhere/],
      [{ MountAdd: [{ Type: 'bind', Source: '/no/such', Target: '/x' }] }, 400, /bind source path does not exist/],
      [{ MountAdd: [{ Type: 'bind', Source: 'a', Target: '/x' }] }, 400, /must be absolute/],
      [{ MountAdd: [{ Type: 'volume', Source: 'v', Target: '/' }], ...add('8095') }, 400, /destination can't be '\/'/],
      [{ MountAdd: [{ Type: 'tmpfs', Target: '/proc/sys' }], ...add('8095') }, 400, /kernel file system/],
    ];
    for (const [body, status, message] of refused) {
      const [got, value] = await update('web', body);
      assert.equal(got, status, JSON.stringify([body, value]));
      assert.match(String(value['message']), message);
    }
    assert.equal(
      await docker.field('web', '{{json .HostConfig}} {{json .NetworkSettings.Ports}} {{json .Config}}'),
      before,
    );
    await opens(8093);
    await shuts(8095);
    await docker.ok('run', '-d', '--name', 'shares', '--network', 'host', busybox, 'sleep', '1000');
    assert.match(String((await update('shares', add('8096')))[1]['message']), /network mode host/);
  });

  test('environment and labels: at once for new processes and filters, with the next start for the rest', async () => {
    await docker.ok(
      'run',
      '-d',
      '--name',
      'box',
      '-e',
      'KEEP=1',
      '-e',
      'GO=1',
      '-l',
      'old=1',
      busybox,
      'sleep',
      '1000',
    );
    await docker.ok('exec', 'box', 'sh', '-c', 'echo kept > /file');
    const answer = await ok('box', {
      EnvAdd: ['NEW=2', 'KEEP=3'],
      EnvRemove: ['GO', 'NEVER'],
      LabelAdd: { fresh: 'yes' },
      LabelRemove: ['old'],
    });
    assert.deepEqual(answer['Pending'], ['environment: of the process that runs already']);
    assert.equal(await docker.ok('exec', 'box', 'sh', '-c', 'echo $KEEP,$NEW,$GO'), '3,2,');
    assert.equal(await docker.ok('ps', '-q', '--filter', 'label=old').then((text) => text.length), 0);
    assert.equal(await docker.ok('ps', '--filter', 'label=fresh=yes', '--format', '{{.Names}}'), 'box');
    const main = () => docker.ok('exec', 'box', 'sh', '-c', 'tr "\\0" "\\n" < /proc/1/environ');
    assert.match(await main(), /^GO=1$/m);
    await crash();
    assert.deepEqual(await ok('box', { EnvAdd: ['LATE=4'], Restart: true }), {
      Warnings: null,
      Pending: [],
      Restarted: true,
    });
    assert.match(await main(), /^LATE=4$/m);
    assert.match(await main(), /^KEEP=3$/m);
    assert.doesNotMatch(await main(), /^GO=/m);
    assert.equal(await docker.ok('exec', 'box', 'cat', '/file'), 'kept');
  });

  test('a tmpfs has the mode that it would have from a start', async () => {
    await docker.ok('run', '-d', '--name', 'box', busybox, 'sleep', '1000');
    const tmpfs = (Target: string, more: object = {}) => ({ Type: 'tmpfs', Target, TmpfsOptions: more });
    await ok('box', { MountAdd: [tmpfs('/fresh/t'), tmpfs('/etc'), tmpfs('/var/www', { Mode: 0o1750 })] });
    const modes = () => docker.ok('exec', 'box', 'stat', '-c', '%a', '/fresh/t', '/etc', '/var/www');
    assert.equal(await modes(), '1777\n755\n1750');
    await docker.ok('restart', '-t', '0', 'box');
    assert.equal(await modes(), '1777\n755\n1750');
  });

  test('mounts come into a running container and go again; its files stay', async () => {
    const source = join(engine().folder, 'shared');
    await mkdir(source);
    await writeFile(join(source, 'hello'), 'from the host');
    await docker.ok('run', '-d', '--name', 'box', busybox, 'sleep', '1000');
    await docker.ok('exec', 'box', 'sh', '-c', 'ln -s /elsewhere /link; echo kept > /file');
    await docker.ok('run', '--rm', '-v', 'live:/v', busybox, 'sh', '-c', 'mkdir /v/sub; echo part > /v/sub/p');
    const added = await ok('box', {
      MountAdd: [
        { Type: 'bind', Source: source, Target: '/link/data', ReadOnly: true },
        { Type: 'volume', Source: 'live', Target: '/vol' },
        { Type: 'volume', Source: 'live', Target: '/part', VolumeOptions: { Subpath: 'sub' } },
        { Type: 'tmpfs', Target: '/quick', TmpfsOptions: { SizeBytes: 65536 } },
        { Type: 'bind', Source: join(source, 'hello'), Target: '/one-file' },
      ],
    });
    assert.deepEqual(added['Pending'], []);
    assert.equal(
      await docker.ok('exec', 'box', 'cat', '/elsewhere/data/hello', '/one-file'),
      'from the hostfrom the host',
    );
    assert.match((await docker('exec', 'box', 'touch', '/link/data/x')).stderr, /Read-only file system/);
    await docker.ok('exec', 'box', 'sh', '-c', 'echo persistent > /vol/x; df -k /quick | grep -q " 64 "');
    assert.equal(await docker.ok('inspect', '-f', '{{len .Mounts}}', 'box'), '5');
    assert.equal(await docker.ok('exec', 'box', 'cat', '/part/p'), 'part');
    assert.match((await docker('volume', 'rm', 'live')).stderr, /volume is in use/);
    await crash();
    assert.equal(await docker.ok('exec', 'box', 'cat', '/vol/x'), 'persistent');
    await docker.ok('restart', '-t', '0', 'box');
    assert.equal(
      await docker.ok('exec', 'box', 'cat', '/vol/x', '/link/data/hello', '/file'),
      'persistent\nfrom the hostkept',
    );
    const removed = await ok('box', { MountRemove: ['/vol', '/part', '/link/data', '/one-file', '/quick'] });
    assert.deepEqual(removed['Pending'], ['removal of the mount at /quick: what is in memory goes with the run']);
    assert.equal(
      await docker.ok('exec', 'box', 'sh', '-c', 'ls /vol /part /elsewhere/data; cat /one-file'),
      '/elsewhere/data:\n\n/part:\n\n/vol:',
    );
    assert.equal(await docker.ok('inspect', '-f', '{{len .Mounts}}', 'box'), '0');
    await docker.ok('volume', 'rm', 'live');
    await docker.ok('restart', '-t', '0', 'box');
    assert.equal(
      await docker.ok('exec', 'box', 'sh', '-c', 'grep -c /quick /proc/mounts; cat /file').catch(String),
      '0\nkept',
    );
  });

  test('a stopped container starts with what was changed', async () => {
    const source = join(engine().folder, 'later');
    await mkdir(source);
    await docker.ok('create', '--name', 'box', busybox, 'httpd', '-f', '-h', '/var/www');
    const answer = await ok('box', {
      PublishAdd: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8097' }] },
      EnvAdd: ['A=b'],
      MountAdd: [{ Type: 'bind', Source: source, Target: '/later' }],
    });
    assert.deepEqual(answer['Pending'], []);
    await crash();
    await docker.ok('start', 'box');
    await opens(8097);
    assert.equal(await docker.ok('exec', 'box', 'sh', '-c', 'echo $A; ls -d /later'), 'b\n/later');
  });

  test('a container cannot bend a removal to what hides the kernel’s files from it', async () => {
    const source = join(engine().folder, 'bait');
    await mkdir(source);
    await docker.ok('run', '-d', '--name', 'sly', busybox, 'sleep', '1000');
    await docker.ok('exec', 'sly', 'mkdir', '/a');
    await ok('sly', { MountAdd: [{ Type: 'bind', Source: source, Target: '/a/keys' }] });
    await docker.ok('exec', 'sly', 'sh', '-c', 'mv /a /b && ln -s /proc /a');
    const answer = await ok('sly', { MountRemove: ['/a/keys'] });
    assert.deepEqual(answer['Pending'], ['removal of the mount at /a/keys: something else is at /a/keys now']);
    assert.match(await docker.ok('exec', 'sly', 'cat', '/proc/mounts'), / \/proc\/keys /);
  });

  test('gantry update takes it all', async () => {
    await web('web');
    const source = join(engine().folder, 'cli');
    await mkdir(source);
    const added = await gantry(
      'update',
      '--memory=64m',
      '--memory-swap=64m',
      '--publish-add=8098:80',
      '--env-add=A=1',
      '--label-add=a=b',
      `--mount-add=type=bind,src=${source},dst=/cli`,
      'web',
    );
    assert.deepEqual([added.code, added.stdout], [0, 'web\n'], added.stderr);
    assert.match(added.stderr, /web: waits for the next start: environment/);
    await opens(8098);
    const more = [
      '--publish-rm',
      '8098:80',
      '--env-rm',
      'A',
      '--label-rm',
      'a',
      '--mount-rm',
      '/cli',
      '--restart-in-place',
    ];
    assert.equal((await gantry('update', ...more, 'web')).stderr, '');
    await shuts(8098);
    assert.equal(
      await docker.field('web', '{{len .Mounts}} {{len .HostConfig.PortBindings}} {{.Config.Labels.a}}'),
      '0 0 <no value>',
    );
    const refused = await gantry('update', '--mount-rm', '/cli', 'web');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /no mount at \/cli/);
  });
});
