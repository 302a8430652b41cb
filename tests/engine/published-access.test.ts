/** Whom ports are published for: addresses of clients, by the own command line, by labels and by options of networks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOracle, type TestEngine } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { addNeighbour, type Neighbour } from '../support/neighbour.ts';
import { run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';
import { ask, type Place, servePorts, type Target } from './_reach.ts';

/** A second address of the neighbour, and IPv6 on the wire. */
const stranger = '198.51.100.7';
const neighbour6 = 'fd77::2';
const stranger6 = 'fd78::7';
const host6 = 'fd77::1';

async function addNeighbourOfTwo(engine: TestEngine): Promise<Neighbour> {
  const neighbour = await addNeighbour(engine, { routes: true });
  const there = async (...command: string[]) => assert.equal((await neighbour.run('ip', ...command)).code, 0);
  const here = async (...command: string[]) => assert.equal((await engine.inside(['ip', ...command])).code, 0);
  await there('address', 'add', `${stranger}/32`, 'dev', 'eth0');
  await here('route', 'add', stranger, 'via', neighbour.address);
  await here('address', 'add', `${host6}/64`, 'dev', 'wire0', 'nodad');
  await there('address', 'add', `${neighbour6}/64`, 'dev', 'eth0', 'nodad');
  await there('address', 'add', `${stranger6}/128`, 'dev', 'eth0', 'nodad');
  await there('route', 'add', 'default', 'via', host6);
  await here('route', 'add', stranger6, 'via', neighbour6);
  return neighbour;
}

engineSuite('whom ports are published for', { skip: isOracle() && 'an addition of Gantry' }, (engine) => {
  const docker = dockerOf(engine);
  const gantry = async (...args: string[]) => {
    const [program, ...first] = gantryProgram;
    return run(program, [...first, ...args], { env: engine().clientEnv() });
  };
  const host: Place = (command) => engine().inside(command);
  const pidOf = async (name: string) => Number(await docker.field(name, '{{.State.Pid}}'));
  const inside =
    (pid: number): Place =>
    (command) =>
      run('nsenter', [`--target=${pid}`, '--net', '--', ...command]);

  test('from=: the clients of the prefixes, the host itself, and nobody else', async () => {
    await using neighbour = await addNeighbourOfTwo(engine());
    const from = ['192.0.2.0/24', '192.0.2.2', 'fd77::/64'].map((prefix) => `,from=${prefix}`).join('');
    const started = await gantry(
      'run',
      '-d',
      '--name=web',
      '-p',
      `8130:80${from}`,
      '-p',
      `8130:80/udp${from}`,
      busybox,
      'sleep',
      '1000',
    );
    assert.equal(started.code, 0, started.stderr);
    await docker.ok('run', '-d', '--name=peer', busybox, 'sleep', '1000');
    await using _ = await servePorts(await pidOf('web'), 80);
    const outside: Place = (command) => neighbour.run(...command);
    const at = neighbour.hostAddress;
    const targets: Target[] = [
      { host: at, port: 8130 },
      { host: at, port: 8130, udp: true },
      { host: at, port: 8130, from: stranger },
      { host: host6, port: 8130 },
      { host: host6, port: 8130, from: stranger6 },
    ];
    const [tcp, udp, strange, six, strange6] = await ask(outside, targets);
    assert.deepEqual([tcp, udp, strange, strange6], [neighbour.address, neighbour.address, '', '']);
    assert.notEqual(six, '', 'IPv6 clients go by the proxy process');
    const local = await ask(
      host,
      ['127.0.0.1', '::1', at, host6].map((one) => ({ host: one, port: 8130 })),
    );
    assert.ok(
      local.every((answer) => answer !== ''),
      local.join(),
    );
    assert.deepEqual(
      await ask(inside(await pidOf('peer')), [{ host: at, port: 8130 }]),
      [''],
      'containers are clients, too',
    );
    const { NetworkSettings } = (await engine().api('GET', '/containers/web/json')).json<{
      NetworkSettings: { Ports: Record<string, object[]> };
    }>();
    const From = ['192.0.2.0/24', 'fd77::/64'];
    assert.deepEqual(NetworkSettings.Ports['80/tcp']?.[0], { HostIp: '0.0.0.0', HostPort: '8130', From });
    const shown = await gantry('ps', '--ports');
    assert.match(shown.stdout, /web\s+80\/tcp\s+0\.0\.0\.0:8130\s+192\.0\.2\.0\/24, this host\n/);
    assert.match(shown.stdout, /web\s+80\/tcp\s+\[::\]:8130\s+fd77::\/64, this host\n/);
    assert.match(shown.stdout, /web\s+80\/tcp\s+172\.\d+\.0\.\d+:80\s+containers of bridge, this host\n/);
    await engine().stop('SIGKILL');
    assert.deepEqual((await ask(outside, targets)).slice(0, 3), [tcp, udp, strange], 'without an engine');
    await engine().start();
    assert.deepEqual((await ask(outside, targets)).slice(0, 3), [tcp, udp, strange], 'and after its start');
    await docker.ok('rm', '-f', 'web');
    assert.ok(!(await host(['nft', 'list', 'ruleset'])).stdout.includes('restricted'), 'nothing of it stays');
  });

  test('labels and options of networks, for clients that know no from=', async () => {
    await using neighbour = await addNeighbourOfTwo(engine());
    const outside: Place = (command) => neighbour.run(...command);
    const asked = async (port: number) =>
      (
        await ask(outside, [
          { host: neighbour.hostAddress, port },
          { host: neighbour.hostAddress, port, from: stranger },
        ])
      ).map((answer) => answer !== '');
    await docker.ok('network', 'create', '-o', 'gantry.publish.from=198.51.100.0/24', 'few');
    const label = '--label=gantry.publish.from.80/tcp=192.0.2.2';
    await docker.ok('run', '-d', '--name=labelled', label, '-p', '8131:80', '-p', '8132:81', busybox, 'sleep', '1000');
    await docker.ok('run', '-d', '--name=few', '--network=few', '-p', '8133:80', busybox, 'sleep', '1000');
    await docker.ok(
      'run',
      '-d',
      '--name=all',
      '--label=gantry.publish.from=192.0.2.2',
      '-P',
      '--expose=80',
      busybox,
      'sleep',
      '1000',
    );
    await using _a = await servePorts(await pidOf('labelled'), 80, 81);
    await using _b = await servePorts(await pidOf('few'), 80);
    await using _c = await servePorts(await pidOf('all'), 80);
    assert.deepEqual(await asked(8131), [true, false]);
    assert.deepEqual(await asked(8132), [true, true]);
    assert.deepEqual(await asked(8133), [false, true]);
    const free = Number((await docker.ok('port', 'all', '80')).split('\n')[0]?.split(':').at(-1));
    assert.deepEqual(await asked(free), [true, false]);
    const opened = await gantry('update', '--publish-add', '8134:80,from=198.51.100.7', 'labelled');
    assert.equal(opened.code, 0, opened.stderr);
    assert.deepEqual(await asked(8134), [false, true]);
    assert.equal((await gantry('update', '--publish-rm', '8134:80', 'labelled')).code, 0);
    assert.deepEqual(await asked(8134), [false, false]);
    assert.deepEqual(await asked(8131), [true, false]);
  });

  test('in the gateway mode routed, by the container’s own address', async () => {
    await using neighbour = await addNeighbourOfTwo(engine());
    const mode = 'com.docker.network.bridge.gateway_mode_ipv4=routed';
    await docker.ok('network', 'create', '-o', mode, 'routed');
    const labels = ['--label=gantry.publish.from=192.0.2.0/24'];
    await docker.ok('run', '-d', '--name=web', '--network=routed', ...labels, '-p', '80', busybox, 'sleep', '1000');
    await using _ = await servePorts(await pidOf('web'), 80, 81);
    const address = await docker.field('web', '{{.NetworkSettings.Networks.routed.IPAddress}}');
    const targets = [
      { host: address, port: 80 },
      { host: address, port: 81 },
      { host: address, port: 80, from: stranger },
    ];
    assert.deepEqual(await ask((command) => neighbour.run(...command), targets), [neighbour.address, '', '']);
  });

  test('what is malformed is refused, and nothing is made', async () => {
    for (const [flag, says] of [
      ['8135:80,from=here', /invalid from=here: expected an address or a prefix like 10\.0\.0\.0\/8/],
      ['8135:80,from=10.0.0.0/33', /invalid from=10\.0\.0\.0\/33/],
      ['8135:80,from=', /invalid from=/],
      ['8135:80,host-rules=maybe', /host-rules=maybe.*expected true or false/],
    ] as const) {
      const { code, stderr } = await gantry('run', '-d', '--name=none', '-p', flag, busybox);
      assert.equal(code, 125, flag);
      assert.match(stderr, says);
    }
    const label = await docker('create', '--label=gantry.publish.form=10.0.0.0/8', busybox);
    assert.match(label.stderr, /unknown label "gantry\.publish\.form"/);
    const option = await docker('network', 'create', '-o', 'gantry.publish.from=x', 'bad');
    assert.match(option.stderr, /invalid from=x/);
    assert.equal(await docker.ok('ps', '-aq'), '');
  });
});

engineSuite(
  'ports that name no address',
  {
    flags: ['--default-publish-address=127.0.0.1', '--default-publish-address=::1'],
    skip: isOracle() && 'an addition of Gantry',
  },
  (engine) => {
    const docker = dockerOf(engine);
    const host: Place = (command) => engine().inside(command);
    const serve = async (name: string) => servePorts(Number(await docker.field(name, '{{.State.Pid}}')), 80);

    test('are published where the operator says, unless they say themselves', async () => {
      await using neighbour = await addNeighbour(engine());
      await docker.ok('network', 'create', 'own');
      await docker.ok('network', 'create', '-o', 'com.docker.network.bridge.host_binding_ipv4=0.0.0.0', 'open');
      await docker.ok('run', '-d', '--name=default', '-p', '8136:80', busybox, 'sleep', '1000');
      await docker.ok(
        'run',
        '-d',
        '--name=own',
        '--network=own',
        '-p',
        '8137:80',
        '-p',
        '0.0.0.0:8138:80',
        busybox,
        'sleep',
        '1000',
      );
      await docker.ok('run', '-d', '--name=open', '--network=open', '-p', '8139:80', busybox, 'sleep', '1000');
      const servers = await Promise.all(['default', 'own', 'open'].map(serve));
      assert.equal(await docker.ok('port', 'default'), '80/tcp -> 127.0.0.1:8136\n80/tcp -> [::1]:8136');
      const ports = [8136, 8137, 8138, 8139];
      const outside = ports.map((port) => ({ host: neighbour.hostAddress, port }));
      const answers = await ask((command) => neighbour.run(...command), outside);
      assert.deepEqual(answers.map(Boolean), [false, false, true, true]);
      const local = await ask(host, [
        ...ports.map((port) => ({ host: '127.0.0.1', port })),
        { host: '::1', port: 8136 },
      ]);
      assert.ok(local.every(Boolean), local.join());
      for (const server of servers) await server[Symbol.asyncDispose]();
    });
  },
);
