/** `HostConfig.Links`: other containers under an alias, as Docker has had them since its first years. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

engineSuite('links between containers', {}, (engine) => {
  const docker = dockerOf(engine);
  const start = (name: string, ...flags: string[]) =>
    docker.ok('run', '-d', `--name=${name}`, ...flags, busybox, 'sleep', '1000');
  const addressOf = (name: string) => docker.field(name, '{{.NetworkSettings.Networks.bridge.IPAddress}}');
  const hostsOf = async (name: string) =>
    (await docker.ok('exec', name, 'cat', '/etc/hosts')).split('\n').map((line) => line.split(/\s+/));

  test('hosts, environment and names', async () => {
    await start('db', '--hostname=dbhost', '-e', 'SECRET=word', '--expose=80-81', '--expose=53/udp');
    const address = await addressOf('db');
    await start('web', '--link=db:the-db', '--link=db', '-e', 'DB_PORT=own');
    const hosts = await hostsOf('web');
    assert.deepEqual(
      hosts
        .filter(([first]) => first === address)
        .map((line) => line.slice(1))
        .toSorted((a, b) => String(a).localeCompare(String(b))),
      [
        ['db', 'dbhost'],
        ['the-db', 'dbhost', 'db'],
      ],
    );
    const expected = [
      'THE_DB_ENV_SECRET=word',
      'THE_DB_NAME=/web/the-db',
      `THE_DB_PORT=tcp://${address}:80`,
      `THE_DB_PORT_53_UDP=udp://${address}:53`,
      `THE_DB_PORT_53_UDP_ADDR=${address}`,
      'THE_DB_PORT_53_UDP_PORT=53',
      'THE_DB_PORT_53_UDP_PROTO=udp',
      `THE_DB_PORT_80_TCP=tcp://${address}:80`,
      `THE_DB_PORT_80_TCP_ADDR=${address}`,
      `THE_DB_PORT_80_TCP_END=tcp://${address}:81`,
      'THE_DB_PORT_80_TCP_PORT=80',
      'THE_DB_PORT_80_TCP_PORT_END=81',
      'THE_DB_PORT_80_TCP_PORT_START=80',
      'THE_DB_PORT_80_TCP_PROTO=tcp',
      `THE_DB_PORT_80_TCP_START=tcp://${address}:80`,
      `THE_DB_PORT_81_TCP=tcp://${address}:81`,
      `THE_DB_PORT_81_TCP_ADDR=${address}`,
      'THE_DB_PORT_81_TCP_PORT=81',
      'THE_DB_PORT_81_TCP_PROTO=tcp',
    ];
    const env = (await docker.ok('exec', 'web', 'env')).split('\n').sort();
    assert.deepEqual(
      env.filter((line) => line.startsWith('THE_DB_')),
      expected.toSorted(),
    );
    assert.ok(env.includes('DB_PORT=own'));
    const first = await docker.ok('exec', 'web', 'cat', '/proc/1/environ');
    assert.ok(first.split('\0').includes('THE_DB_NAME=/web/the-db'));
    const links = JSON.parse(await docker.field('web', '{{json .HostConfig.Links}}')) as string[];
    assert.deepEqual(links.toSorted(), ['/db:/web/db', '/db:/web/the-db']);
    const names = (await docker.ok('ps', '--no-trunc', '--format={{.Names}}', '--filter=name=^/?db$')).split(',');
    assert.deepEqual(names.toSorted(), ['db', 'web/db', 'web/the-db']);
    assert.equal(await docker.ok('ps', '--format={{.Names}}', '--filter=name=^/?db$'), 'db');
    assert.equal(await docker.field('web/the-db', '{{.Name}}'), '/db');
  });

  test('a linked container that is started anew keeps its alias', async () => {
    await start('db');
    await start('web', '--link=db:alias');
    await docker.ok('stop', '-t0', 'db');
    await start('takes-the-address');
    await docker.ok('start', 'db');
    const address = await addressOf('db');
    assert.deepEqual((await hostsOf('web')).find((line) => line.includes('alias'))?.[0], address);
    await engine().stop('SIGKILL');
    await engine().start();
    const state = await docker.field('web', '{{.State.Running}}');
    if (state === 'true') assert.equal(await docker.ok('exec', 'web', 'sh', '-c', 'echo $ALIAS_NAME'), '/web/alias');
    assert.equal(await docker.field('web', '{{index .HostConfig.Links 0}}'), '/db:/web/alias');
  });

  test('a link is removed by its name', async () => {
    await start('db');
    await docker.ok('create', '--name=web', '--link=db:one', '--link=db:two', busybox, 'cat', '/etc/hosts');
    await docker.ok('rm', '--link', 'web/one');
    assert.equal(await docker.field('web', '{{json .HostConfig.Links}}'), '["/db:/web/two"]');
    assert.doesNotMatch(await docker.ok('start', '-a', 'web'), /\bone\b/);
    for (const [name, says] of [
      ['web', /Conflict, cannot remove the default link name of the container/],
      ['web/one', /No such container: web\/one/],
      ['nobody/two', /No such container: nobody\/two/],
    ] as const) {
      const { code, stderr } = await docker('rm', '--link', name);
      assert.equal(code, 1);
      assert.match(stderr, says);
    }
    assert.equal(await docker.field('db', '{{.State.Running}}'), 'true');
  });

  test('a linked container must run, exist, and be on the default bridge', async () => {
    await docker.ok('create', '--name=db', busybox, 'true');
    await docker.ok('create', '--name=web', '--link=db:alias', busybox, 'true');
    const start = await docker('start', 'web');
    assert.equal(start.code, 1);
    assert.match(start.stderr, /Cannot link to a non running container: \/db AS \/web\/alias/);
    await docker.ok('create', '--name=on-host', '--network=host', busybox);
    const create = (hostConfig: object) =>
      engine().api('POST', '/containers/create', { Image: busybox, HostConfig: hostConfig });
    for (const [hostConfig, says] of [
      [{ Links: ['nobody:x'] }, /could not get container for nobody: No such container: nobody/],
      [{ Links: ['a:b:c'] }, /bad format for links: a:b:c/],
      [{ Links: ['on-host'] }, /host type networking can't be used with links/],
      [{ Links: ['db'], NetworkMode: 'host' }, /host type networking can't be used with links/],
      [{ Links: ['db'], NetworkMode: 'container:db' }, /container type network can't be used with links/],
    ] as const) {
      const answer = await create(hostConfig);
      assert.ok(answer.status >= 400, answer.text);
      assert.match(answer.text, says);
    }
    // As an inspected container shows it.
    const { Id } = (await create({ Links: ['/db:/other/alias'] })).json<{ Id: string }>();
    assert.match(await docker.field(Id, '{{index .HostConfig.Links 0}}'), /^\/db:\/\w+\/alias$/);
  });
});
