/** Names of containers: the name server at 127.0.0.11 of each container on a user-defined network. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle, type TestEngine } from '../support/engine.ts';
import { askFrom, enterNetwork, lostAtRate, startAsker, startNameServer } from '../support/name-tools.ts';
import { addNeighbour } from '../support/neighbour.ts';
import { must } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually, patience } from '../support/wait.ts';
import { startWeakEngine } from '../support/weak-engine.ts';
import { busybox, dockerOf } from './_docker.ts';

const sleeper = [busybox, 'sleep', '1000'];

/** The process of an engine that answers; found by its socket, which is below the engine's own folder. */
function resolverOf(engine: TestEngine): { readonly pid: number; readonly memory: number } {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // Its title takes the place of its command line, so the descriptors tell whose it is.
      if (!readFileSync(`/proc/${name}/cmdline`, 'utf8').startsWith('gantry-resolver')) continue;
      const network = (pid: string | number) => readFileSync(`/proc/${pid}/net/dev`, 'utf8');
      if (network(name) !== network(engine.pid)) continue;
      const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1];
      return { pid: Number(name), memory: Number(kilobytes) * 1024 };
    } catch {
      continue;
    }
  }
  throw new Error('no resolver process runs');
}

engineSuite('names of containers', {}, (engine) => {
  const docker = dockerOf(engine);
  const run = (name: string, ...flags: string[]) => docker.ok('run', '-d', `--name=${name}`, ...flags, ...sleeper);
  const pidOf = (name: string) => docker.field(name, '{{.State.Pid}}');
  const ask = async (from: string, name: string, type?: string) => askFrom(await pidOf(from), name, type);
  const addressOf = (name: string, network: string) =>
    docker.field(name, `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`);

  test('a container is found by its name, aliases, short id and host name, and by its address', async () => {
    await docker.ok('network', 'create', '--subnet=10.60.0.0/24', 'net');
    await run('one', '--network=net');
    await run('two', '--network=net', '--ip=10.60.0.9', '--network-alias=web', '--hostname=host');
    const id = (await docker.field('two', '{{.Id}}')).slice(0, 12);
    for (const name of ['two', 'TWO', 'web', 'host', id, 'two.net', 'web.net']) {
      assert.deepEqual(await ask('one', name), ['10.60.0.9'], name);
    }
    for (const name of ['nobody', 'two.other', 'net']) {
      assert.match((await ask('one', name)).join(), /^error E(SERVFAIL|NOTFOUND|REFUSED)$/, name);
    }
    assert.deepEqual(await ask('one', 'two', 'AAAA'), ['error ENODATA']);
    assert.deepEqual(await ask('one', 'two', 'MX'), ['error ENODATA']);
    assert.deepEqual(await ask('one', '9.0.60.10.in-addr.arpa', 'PTR'), ['two.net']);
    assert.match(await docker.ok('exec', 'one', 'nslookup', 'two'), /^Address:\s+10\.60\.0\.9$/m);
    const file = await docker.ok('exec', 'one', 'cat', '/etc/resolv.conf');
    assert.match(file, /^nameserver 127\.0\.0\.11$/m);
    assert.match(file, /^options .*ndots:0$/m);
    await docker.ok('rename', 'two', 'three');
    assert.deepEqual(await ask('one', 'three'), ['10.60.0.9']);
    assert.match((await ask('one', 'two')).join(), /^error/);
  });

  test('all containers of an alias are answered, links are one container’s own, and port 53 is free', async () => {
    await docker.ok('network', 'create', 'net');
    for (const name of ['aa', 'bb', 'cc']) await run(name, '--network=net', '--network-alias=web');
    await run('one', '--network=net', '--link=aa:db', '--link=bb:cc');
    const [a, b, c] = [await addressOf('aa', 'net'), await addressOf('bb', 'net'), await addressOf('cc', 'net')];
    assert.deepEqual(await ask('one', 'web'), [a, b, c].toSorted());
    assert.deepEqual(await ask('one', 'db'), [a]);
    assert.deepEqual(await ask('one', 'db.net'), [a]);
    assert.deepEqual(await ask('one', 'cc'), [b], 'a link hides a name');
    assert.deepEqual(await ask('aa', 'cc'), [c]);
    assert.match((await ask('aa', 'db')).join(), /^error/);
    const pid = await pidOf('one');
    await using _server = await startNameServer((command) => enterNetwork(pid, command), '0.0.0.0', {});
    assert.deepEqual(await ask('one', 'db'), [a], 'a server at port 53 of the container changes nothing');
  });

  test('networks that come and go bring and take names, also of a container that had none', async () => {
    for (const name of ['left', 'right']) await docker.ok('network', 'create', name);
    await run('one', '--network=left');
    await run('two', '--network=right');
    await run('plain');
    assert.match((await ask('one', 'two')).join(), /^error/);
    await docker.ok('network', 'connect', '--alias=here', 'left', 'two');
    const address = await addressOf('two', 'left');
    for (const name of ['two', 'here', 'two.left']) assert.deepEqual(await ask('one', name), [address], name);
    assert.match((await ask('one', 'two.right')).join(), /^error/);
    await docker.ok('network', 'disconnect', 'left', 'two');
    assert.match((await ask('one', 'here')).join(), /^error/);
    assert.doesNotMatch(await docker.ok('exec', 'plain', 'cat', '/etc/resolv.conf'), /127\.0\.0\.11/);
    await docker.ok('network', 'connect', 'left', 'plain');
    assert.match(await docker.ok('exec', 'plain', 'cat', '/etc/resolv.conf'), /^nameserver 127\.0\.0\.11$/m);
    assert.deepEqual(await ask('plain', 'one'), [await addressOf('one', 'left')]);
    assert.deepEqual(await ask('one', 'plain'), [await addressOf('plain', 'left')]);
  });

  test('the end of a container is the end of its names', async () => {
    await docker.ok('network', 'create', 'net');
    await run('one', '--network=net');
    for (const way of [['kill'], ['stop', '-t0'], ['rm', '-f']]) {
      await docker('rm', '-f', 'two');
      await run('two', '--network=net');
      assert.deepEqual(await ask('one', 'two'), [await addressOf('two', 'net')]);
      const waiting = docker('wait', 'two');
      await docker.ok(...way, 'two');
      await waiting;
      assert.match((await ask('one', 'two')).join(), /^error/, way.join(' '));
    }
  });

  test('other questions go to --dns from the container, large answers by TCP', async () => {
    await docker.ok('network', 'create', '--internal', '--subnet=10.60.0.0/24', 'net');
    await run('server', '--network=net', '--ip=10.60.0.53');
    const many = Array.from({ length: 200 }, (_, at) => `192.0.2.${at}`);
    const names = { 'outside.test': ['192.0.2.77'], 'many.test': many };
    const pid = await pidOf('server');
    await using server = await startNameServer((command) => enterNetwork(pid, command), '10.60.0.53', names);
    await run('one', '--network=net', '--dns=10.60.0.53', '--dns-search=test', '--dns-option=timeout:3');
    assert.deepEqual(await ask('one', 'outside.test'), ['192.0.2.77']);
    assert.deepEqual(await ask('one', 'many.test'), many.toSorted());
    assert.deepEqual(await ask('one', 'nobody.test'), ['error ENOTFOUND']);
    assert.ok(server.asked.includes('outside.test 1'));
    const file = await docker.ok('exec', 'one', 'cat', '/etc/resolv.conf');
    assert.match(file, /^nameserver 127\.0\.0\.11\nsearch test\noptions timeout:3 ndots:0$/m);
    await run('two', '--network=net', '--dns=10.60.0.53', '--dns-option=ndots:1');
    const before = server.asked.length;
    assert.deepEqual(await ask('two', 'outside'), ['error ENODATA'], 'with the user’s own ndots');
    assert.equal(server.asked.length, before);
  });
});

/** With a resolv.conf that names a neighbour; what a container asks outside shows there. */
async function askOutside(engine: TestEngine): Promise<{ readonly outside: string; readonly internal: string }> {
  await using neighbour = await addNeighbour(engine, { routes: true });
  const answers = { 'outside.test': ['192.0.2.77'] };
  await using server = await startNameServer((command) => neighbour.enter(command), neighbour.address, answers);
  const file = join(engine.folder, 'resolv.conf');
  await writeFile(file, `nameserver ${neighbour.address}\n`);
  await engine.inside(['mount', '--bind', file, '/etc/resolv.conf']);
  try {
    const found: string[] = [];
    for (const flags of [[], ['--internal']]) {
      await engine.dockerOk(['network', 'create', ...flags, 'net']);
      await engine.dockerOk(['run', '-d', '--name=one', '--network=net', ...sleeper]);
      const pid = await engine.dockerOk(['inspect', '--format={{.State.Pid}}', 'one']);
      const before = server.asked.length;
      const answer = await askFrom(pid, 'outside.test');
      found.push(`${answer.join()} ${server.asked.length - before}`);
      await engine.dockerOk(['rm', '-f', 'one']);
      await engine.dockerOk(['network', 'rm', 'net']);
    }
    return { outside: found[0] ?? '', internal: found[1] ?? '' };
  } finally {
    await engine.inside(['umount', '/etc/resolv.conf']);
  }
}

engineSuite('names outside', {}, (engine) => {
  test('the host’s servers are asked from the host, but never for a network without a way out', async () => {
    assert.deepEqual(await askOutside(engine()), { outside: '192.0.2.77 1', internal: 'error ESERVFAIL 0' });
  });

  test('without that rule an internal network’s questions leave the host', { skip: isOracle() }, async () => {
    await using weak = await startWeakEngine('internal networks ask outside');
    await weak.load('busybox');
    assert.deepEqual(await askOutside(weak), { outside: '192.0.2.77 1', internal: '192.0.2.77 1' });
  });
});

engineSuite(
  'names by option',
  { flags: ['--bridge-names', '--names-listen=127.0.0.54'], skip: isOracle() && 'they are Gantry’s own' },
  (engine) => {
    const docker = dockerOf(engine);
    const addressOf = (name: string, network: string) =>
      docker.field(name, `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`);
    const fromHost = async (name: string) => {
      const { stdout } = await engine().inside(['busybox', 'nslookup', name, '127.0.0.54']);
      const found = /^Name:[^]*?^Address(?: 1)?:\s+(\S+)/m.exec(stdout);
      return found?.[1];
    };

    test('containers of the default network have names, and the host’s programs find all', async () => {
      await docker.ok('network', 'create', 'net');
      await docker.ok('run', '-d', '--name=one', ...sleeper);
      await docker.ok('run', '-d', '--name=two', ...sleeper);
      await docker.ok('run', '-d', '--name=web', '--network=net', ...sleeper);
      const pid = await docker.field('one', '{{.State.Pid}}');
      assert.deepEqual(await askFrom(pid, 'two'), [await addressOf('two', 'bridge')]);
      assert.match((await askFrom(pid, 'web')).join(), /^error/);
      assert.equal(await fromHost('one'), await addressOf('one', 'bridge'));
      for (const name of ['web', 'web.net']) assert.equal(await fromHost(name), await addressOf('web', 'net'), name);
      for (const name of ['nobody', 'web.bridge']) assert.equal(await fromHost(name), undefined, name);
      await docker.ok('rm', '-f', 'web');
      assert.equal(await fromHost('web'), undefined);
      await engine().stop('SIGKILL');
      assert.equal(
        await fromHost('one'),
        await engine()
          .start()
          .then(() => addressOf('one', 'bridge')),
      );
    });
  },
);

engineSuite('the resolver process', { skip: isOracle() && 'it is Gantry’s own' }, (engine) => {
  const docker = dockerOf(engine);
  const run = (name: string, ...flags: string[]) => docker.ok('run', '-d', `--name=${name}`, ...flags, ...sleeper);
  const pidOf = (name: string) => docker.field(name, '{{.State.Pid}}');
  const network = async () => {
    await docker.ok('network', 'create', 'net');
    for (const name of ['one', 'two']) await run(name, '--network=net');
    return pidOf('one');
  };

  test('no question is lost while engines are killed and started', async () => {
    const pid = await network();
    const asker = await startAsker(pid, 'two');
    for (let kills = 0; kills < 4; kills++) {
      await engine().stop('SIGKILL');
      await engine().start();
    }
    await run('three', '--network=net');
    assert.deepEqual((await askFrom(pid, 'three')).length, 1);
    const { asked, answered, lost } = await asker.finish();
    assert.ok(asked > 100 && answered >= asked - 1 && lost === 0, `${asked} asked, ${answered} answered, ${lost} lost`);
  });

  test('a container that ends while no engine is there is forgotten, too', async () => {
    const pid = await network();
    const two = Number(await pidOf('two'));
    await engine().stop('SIGKILL');
    assert.match((await askFrom(pid, 'two')).join(), /^\d/);
    process.kill(two, 'SIGKILL');
    await eventually('the name is gone', async () => (await askFrom(pid, 'two')).join().startsWith('error'));
    await engine().start();
    assert.match((await askFrom(pid, 'two')).join(), /^error/);
  });

  test('5,000 questions a second are answered, all of them', async () => {
    const pid = await network();
    const [count, rate] = [15_000, 5000];
    const began = performance.now();
    assert.equal(await lostAtRate(pid, 'two', count, rate), 0);
    // Who falls behind catches up: a client that could not keep the rate says nothing about the server.
    const took = performance.now() - began;
    assert.ok(took < 2 * patience * (count / rate) * 1000, `asked for ${took} ms`);
  });

  test('when it dies another one takes its place, with and without an engine that sees it', async () => {
    const pid = await network();
    const isBack = () =>
      eventually('names are answered again', async () => (await askFrom(pid, 'two')).join().startsWith('1'));
    process.kill(resolverOf(engine()).pid, 'SIGKILL');
    await isBack();
    const { pid: resolver } = resolverOf(engine());
    await engine().stop('SIGKILL');
    process.kill(resolver, 'SIGKILL');
    await engine().start();
    await isBack();
  });

  test('floods, broken messages and connections that say nothing keep nobody else waiting', async () => {
    await network();
    await run('hostile', '--network=net');
    const asker = await startAsker(await pidOf('one'), 'two');
    const before = resolverOf(engine());
    const attack = `
      const { createSocket } = require('node:dgram');
      const { connect } = require('node:net');
      const { randomFillSync } = require('node:crypto');
      const streams = Array.from({ length: 200 }, () => connect(53, '127.0.0.11').on('error', () => {}).on('connect', function () {
        this.write(Buffer.from([0x0f, 0xff, 1]));
      }));
      const socket = createSocket('udp4');
      const head = Buffer.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
      let sent = 0;
      const burst = () => {
        for (let at = 0; at < 500; at++, sent++) {
          const packet = randomFillSync(Buffer.alloc(12 + (sent % 300)));
          if (sent % 3 > 0) head.copy(packet);
          if (sent % 3 > 1) Buffer.from('\\x04' + String(sent % 10000).padStart(4, '0') + '\\0\\0\\x01\\0\\x01').copy(packet, 12);
          socket.send(packet, () => {});
        }
        if (sent < 100000) setTimeout(burst, 0);
        else setTimeout(() => process.exit(0), 100);
      };
      socket.on('error', () => {}).connect(53, '127.0.0.11', burst);`;
    const [program, ...args] = enterNetwork(await pidOf('hostile'), [process.execPath, '-e', attack]);
    await must(program, args, { timeout: 60_000 });
    const { asked, answered, lost } = await asker.finish();
    assert.ok(asked > 100 && lost === 0 && answered >= asked - 1, `${asked} asked, ${answered} answered, ${lost} lost`);
    const after = resolverOf(engine());
    assert.equal(after.pid, before.pid);
    assert.ok(after.memory < before.memory + (96 << 20), `${before.memory} bytes before, ${after.memory} after`);
  });
});
