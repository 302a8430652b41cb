/** What an administrator adds to the engine's firewall: a table of his own, marks that let in, routing to containers. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { repository } from '../support/docker-client.ts';
import { isOracle, type TestEngine } from '../support/engine.ts';
import { addNeighbour, type Neighbour } from '../support/neighbour.ts';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';
import { ask, servePorts } from './_reach.ts';

/** The addresses of the example in the documentation, besides that of a stranger. */
const office = '203.0.113.5';
const monitoring = '198.51.100.9';
const host6 = 'fd77::1';

/** A machine that routes through the host and has several addresses. */
async function router(engine: TestEngine, ...addresses: readonly string[]): Promise<Neighbour> {
  const neighbour = await addNeighbour(engine, { routes: true });
  for (const address of addresses) {
    assert.equal((await neighbour.run('ip', 'address', 'add', `${address}/32`, 'dev', 'eth0')).code, 0);
    assert.equal((await engine.inside(['ip', 'route', 'add', address, 'via', neighbour.address])).code, 0);
  }
  await engine.inside(['ip', 'address', 'add', `${host6}/64`, 'dev', 'wire0', 'nodad']);
  await neighbour.run('ip', 'address', 'add', 'fd77::2/64', 'dev', 'eth0', 'nodad');
  await neighbour.run('ip', 'route', 'add', 'default', 'via', host6);
  return neighbour;
}

/** The table of "The administrator's own rules", word for word. */
async function documentedTable(): Promise<string> {
  const text = await readFile(join(repository, 'docs/networks.md'), 'utf8');
  return /```\n(table inet admin \{\n[^`]*)```/.exec(text)?.[1] ?? assert.fail('the example is gone');
}

const marked = { flags: ['--bridge-accept-fwmark=0x10/0x10'], skip: isOracle() && 'dockerd 28 has no such flag' };
engineSuite('an administrator’s table', marked, (engine) => {
  const docker = dockerOf(engine);
  const sleeper = (name: string, ...options: string[]) =>
    docker.ok('run', '-d', `--name=${name}`, ...options, busybox, 'sleep', '1000');
  const pidOf = async (name: string) => Number(await docker.field(name, '{{.State.Pid}}'));

  test('the documented one keeps out and lets in, also while and after the engine is gone; internal networks stay closed', async () => {
    await using neighbour = await router(engine(), office, monitoring);
    await docker.ok('network', 'create', 'open');
    await docker.ok('network', 'create', '--internal', 'closed');
    await sleeper('web', '--network=open', '-p', '8080:80', '-p', '8081:80');
    await sleeper('inner', '--network=closed');
    await using _web = await servePorts(await pidOf('web'), 80, 81);
    await using _inner = await servePorts(await pidOf('inner'), 80);
    const addressOf = (name: string, network: string) =>
      docker.field(name, `{{.NetworkSettings.Networks.${network}.IPAddress}}`);
    const [web, inner] = [await addressOf('web', 'open'), await addressOf('inner', 'closed')];
    const at = neighbour.hostAddress;
    const targets = [neighbour.address, office, monitoring].flatMap((from) => [
      { host: at, port: 8080, from },
      { host: at, port: 8081, from },
      { host: web, port: 81, from },
      { host: inner, port: 80, from },
    ]);
    const reached = async () => (await ask((command) => neighbour.run(...command), targets)).map(Boolean);
    const [yes, no] = [true, false];
    const withoutTable = [yes, yes, no, no];
    assert.deepEqual(await reached(), [...withoutTable, ...withoutTable, ...withoutTable]);
    const table = await documentedTable();
    const written = await engine().inside(['nft', '-f', '-'], { input: table });
    assert.equal(written.code, 0, written.stderr);
    const stranger = [no, yes, no, no];
    const expected = [...stranger, ...withoutTable, no, yes, yes, no];
    assert.deepEqual(await reached(), expected);
    await engine().stop('SIGKILL');
    assert.deepEqual(await reached(), expected, 'without an engine');
    await engine().start();
    assert.deepEqual(await reached(), expected, 'with another engine');
    await sleeper('more', '--network=open', '-p', '8082:80');
    assert.deepEqual(await reached(), expected, 'after a change of published ports');
    const kept = (await engine().inside(['nft', 'list', 'table', 'inet', 'admin'])).stdout;
    assert.match(kept, /meta mark set meta mark \| 0x0*10/);
    await engine().inside(['nft', 'delete', 'table', 'inet', 'admin']);
    assert.deepEqual(await reached(), [...withoutTable, ...withoutTable, ...withoutTable]);
  });

  test('only the bits of the mask count, in both IP versions', async () => {
    await using neighbour = await router(engine());
    await docker.ok('network', 'create', '--ipv6', 'open');
    await sleeper('web', '--network=open');
    await using _ = await servePorts(await pidOf('web'), 80);
    const own = (field: string) => docker.field('web', `{{.NetworkSettings.Networks.open.${field}}}`);
    const targets = [await own('IPAddress'), await own('GlobalIPv6Address')].map((host) => ({ host, port: 80 }));
    const marked = async (mark: string) => {
      const chain = 'type filter hook prerouting priority -150';
      const table = `table inet marker {\nchain before {\n${chain}\niifname "wire0" meta mark set ${mark}\n}\n}`;
      await engine().inside(['nft', table]);
      const answers = await ask((command) => neighbour.run(...command), targets);
      await engine().inside(['nft', 'delete', 'table', 'inet', 'marker']);
      return answers;
    };
    assert.deepEqual(await marked('0x10'), [neighbour.address, 'fd77::2']);
    assert.deepEqual(await marked('0xf3'), [neighbour.address, 'fd77::2']);
    assert.deepEqual(await marked('0xef'), ['', '']);
  });
});

engineSuite('--allow-direct-routing', { flags: ['--allow-direct-routing'] }, (engine) => {
  const docker = dockerOf(engine);

  test('published ports, and only they, are reached by the container’s own address', async () => {
    await using neighbour = await router(engine());
    await docker.ok('network', 'create', '--ipv6', 'open');
    await docker.ok('network', 'create', '--ipv6', '--internal', 'closed');
    const web = ['--name=web', '--network=open', '-p', '8080:80', '-p', '127.0.0.1:8082:82', '-p', '8083:80/udp'];
    await docker.ok('run', '-d', ...web, busybox, 'sleep', '1000');
    await docker.ok('run', '-d', '--name=inner', '--network=closed', '-p', '80', busybox, 'sleep', '1000');
    const pidOf = async (name: string) => Number(await docker.field(name, '{{.State.Pid}}'));
    await using _web = await servePorts(await pidOf('web'), 80, 81, 82);
    await using _inner = await servePorts(await pidOf('inner'), 80);
    const addresses = async (name: string, network: string) =>
      Promise.all(
        ['IPAddress', 'GlobalIPv6Address'].map((field) =>
          docker.field(name, `{{.NetworkSettings.Networks.${network}.${field}}}`),
        ),
      );
    const targets = [
      ...(await addresses('web', 'open')).flatMap((host) => [
        { host, port: 80 },
        { host, port: 81 },
        { host, port: 80, udp: true },
      ]),
      ...(await addresses('inner', 'closed')).map((host) => ({ host, port: 80 })),
      { host: neighbour.hostAddress, port: 8080 },
      { host: neighbour.hostAddress, port: 8082 },
    ];
    const asked = () => ask((command) => neighbour.run(...command), targets);
    const [four, six] = [neighbour.address, 'fd77::2'];
    const expected = [four, '', four, six, '', six, '', '', four, ''];
    assert.deepEqual(await asked(), expected);
    await docker.ok('rm', '-f', 'web');
    await docker.ok('run', '-d', ...web.filter((word) => !/^(-p|[\d.]+:.*)$/.test(word)), busybox, 'sleep', '1000');
    await using _again = await servePorts(await pidOf('web'), 80);
    assert.deepEqual((await asked()).slice(0, 6), ['', '', '', '', '', ''], 'without published ports');
  });
});

engineSuite('without --allow-direct-routing', {}, (engine) => {
  const docker = dockerOf(engine);

  test('a published port is not reached by the container’s own address', async () => {
    await using neighbour = await router(engine());
    await docker.ok('run', '-d', '--name=web', '-p', '8080:80', busybox, 'sleep', '1000');
    await using _ = await servePorts(Number(await docker.field('web', '{{.State.Pid}}')), 80);
    const host = await docker.field('web', '{{.NetworkSettings.Networks.bridge.IPAddress}}');
    assert.deepEqual(
      await ask(
        (command) => neighbour.run(...command),
        [
          { host, port: 80 },
          { host: neighbour.hostAddress, port: 8080 },
        ],
      ),
      ['', neighbour.address],
    );
  });
});
