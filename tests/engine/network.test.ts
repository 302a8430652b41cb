import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { addNeighbour } from '../support/neighbour.ts';
import { ended, type RunResult } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';

const image = 'gantry-test/busybox:1';
const page = '<h1>served from a container</h1>';
const server = ['httpd', '-f', '-p', '80', '-h', '/var/www'];

/** Sends a datagram and shows the answer: Debian's busybox has no command for it. */
const askByUdp = `
const [address, port] = process.argv.slice(1);
const socket = require('node:dgram').createSocket('udp4');
socket.on('message', (text) => { process.stdout.write(text); socket.close(); });
socket.send('hello', Number(port), address);
setTimeout(() => process.exit(1), 1000).unref();
`;

engineSuite('networks and ports', {}, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);
  const serve = (name: string, ...flags: string[]) => docker('run', '-d', '--name', name, ...flags, image, ...server);
  const wget = (url: string) => ['timeout', '3', 'busybox', 'wget', '-q', '-O', '-', `http://${url}/`];
  const fromHost = (url: string): Promise<RunResult> => engine().inside(wget(url));
  const addressOf = (name: string) =>
    docker('inspect', '--format', '{{(index .NetworkSettings.Networks "bridge").IPAddress}}', name);
  async function reaches(ask: () => Promise<RunResult>): Promise<void> {
    await eventually('the page', async () => (await ask()).stdout.trim() === page, { every: 50 });
  }
  async function misses(ask: () => Promise<RunResult>): Promise<void> {
    const { code, stdout } = await ask();
    assert.deepEqual([code !== 0, stdout], [true, '']);
  }
  const ports = async (name: string) => (await docker('port', name)).split('\n').toSorted();

  test('a container has an address, a gateway and a way out with the address of the host', async () => {
    await using neighbour = await addNeighbour(engine());
    const [program, ...args] = neighbour.enter(['busybox', 'httpd', '-f', '-p', '8000', '-h', engine().folder]);
    const web = spawn(program, args, { stdio: 'ignore' });
    const end = ended(web);
    try {
      // The neighbour knows no way to the container: without the translation no answer would come back.
      await eventually('the neighbour serves', async () => {
        const { stderr } = await neighbour.run(...wget('127.0.0.1:8000/none'));
        return stderr.includes('404');
      });
      const shown = await engine().docker(['run', '--rm', image, ...wget(`${neighbour.address}:8000/none`)]);
      assert.match(shown.stderr, /404 Not Found/);
      const route = await docker('run', '--rm', image, 'ip', 'route');
      const gateway = await docker('network', 'inspect', '--format', '{{(index .IPAM.Config 0).Gateway}}', 'bridge');
      assert.match(route, new RegExp(`^default via ${gateway} dev eth0`));
    } finally {
      web.kill('SIGKILL');
      await end;
    }
  });

  test('a published port: from localhost, the host, a neighbour, another container and the container itself', async () => {
    await using neighbour = await addNeighbour(engine());
    await serve('web', '-p', '8080:80');
    assert.deepEqual(await ports('web'), ['80/tcp -> 0.0.0.0:8080', '80/tcp -> [::]:8080']);
    assert.match(await docker('ps', '--format', '{{.Ports}}'), /0\.0\.0\.0:8080->80\/tcp/);
    await reaches(() => fromHost('127.0.0.1:8080'));
    await reaches(() => fromHost('[::1]:8080'));
    await reaches(() => fromHost(`${neighbour.hostAddress}:8080`));
    await reaches(() => neighbour.run(...wget(`${neighbour.hostAddress}:8080`)));
    const published = `${neighbour.hostAddress}:8080`;
    await reaches(() => engine().docker(['run', '--rm', image, ...wget(published)]));
    await reaches(() => engine().docker(['exec', 'web', ...wget(published)]));
    await reaches(async () => fromHost(`${await addressOf('web')}:80`));
    await docker('stop', '-t', '1', 'web');
    await misses(() => fromHost('127.0.0.1:8080'));
    await docker('start', 'web');
    await reaches(() => fromHost('127.0.0.1:8080'));
  });

  test('what is published for localhost, or not at all, stays out of the reach of neighbours', async () => {
    await using neighbour = await addNeighbour(engine(), { routes: true });
    await serve('local', '-p', '127.0.0.1:8081:80');
    await reaches(() => fromHost('127.0.0.1:8081'));
    const address = await addressOf('local');
    await misses(() => fromHost(`${neighbour.hostAddress}:8081`));
    await misses(() => neighbour.run(...wget(`${neighbour.hostAddress}:8081`)));
    await misses(() => neighbour.run(...wget(`${address}:80`)));
    // A packet to 127.0.0.1 on the wire: the neighbour must be talked into sending it.
    await neighbour.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet');
    await neighbour.run('ip', 'address', 'delete', '127.0.0.1/8', 'dev', 'lo');
    await neighbour.run(
      'ip',
      'route',
      'add',
      '127.0.0.1',
      'via',
      neighbour.hostAddress,
      'dev',
      'eth0',
      'src',
      neighbour.address,
    );
    await misses(() => neighbour.run(...wget('127.0.0.1:8081')));
  });

  test('host addresses, ranges, udp, -P and random ports', async () => {
    await using neighbour = await addNeighbour(engine());
    await serve(
      'mixed',
      '-p',
      `${neighbour.hostAddress}:8082:80`,
      '-p',
      '9000-9002:80-82',
      '-p',
      '5353:53/udp',
      '-p',
      '80',
    );
    const shown = await ports('mixed');
    assert.ok(shown.includes(`80/tcp -> ${neighbour.hostAddress}:8082`));
    assert.ok(shown.includes('81/tcp -> 0.0.0.0:9001'));
    assert.ok(shown.includes('53/udp -> 0.0.0.0:5353'));
    assert.ok(
      shown.some((line) => /^80\/tcp -> 0\.0\.0\.0:(3[2-9]|[4-6]\d)\d{3}$/.test(line)),
      shown.join('\n'),
    );
    await reaches(() => fromHost(`${neighbour.hostAddress}:8082`));
    await misses(() => fromHost('127.0.0.1:8082'));
    await reaches(() => fromHost('127.0.0.1:9000'));
    await docker('run', '-d', '--name', 'all', '-P', '--expose', '80', '--expose', '7000-7001/udp', image, ...server);
    const all = await ports('all');
    assert.equal(all.filter((line) => line.includes('udp -> 0.0.0.0')).length, 2);
    const web = all.find((line) => line.startsWith('80/tcp -> 0.0.0.0:'))?.split(':')[1] ?? '';
    await reaches(() => fromHost(`127.0.0.1:${web}`));
    assert.equal(await docker('port', 'all', '80/tcp').then((text) => text.split('\n')[0]), `0.0.0.0:${web}`);
    const missing = await engine().docker(['port', 'all', '81/tcp']);
    assert.match(missing.stderr, /no public port '81\/tcp' published for all/i);
  });

  test('udp goes both ways', async () => {
    await engine().load('node');
    const echo = `const socket = require('node:dgram').createSocket('udp4').bind(5000);
      socket.on('message', (text, from) => socket.send(text, from.port, from.address));`;
    await docker('run', '-d', '-p', '5354:5000/udp', 'gantry-test/node:1', 'node', '-e', echo);
    await eventually('an echo', async () => {
      return (await engine().inside([process.execPath, '-e', askByUdp, '127.0.0.1', '5354'])).stdout === 'hello';
    });
  });

  test('containers talk to each other over the bridge', async () => {
    await serve('one');
    const address = await addressOf('one');
    const others = await Promise.all(
      ['two', 'three'].map((name) => engine().docker(['run', '--rm', '--name', name, image, ...wget(`${address}:80`)])),
    );
    assert.deepEqual(
      others.map(({ stdout }) => stdout.trim()),
      [page, page],
    );
  });

  test('a port of another container is refused, and free again when that one has ended', async () => {
    await serve('first', '-p', '8083:80');
    const refused = await engine().docker(['run', '-d', '--name', 'second', '-p', '8083:80', image, ...server]);
    assert.equal(refused.code, 125);
    assert.match(
      refused.stderr,
      /driver failed programming external connectivity on endpoint second \([0-9a-f]+\): Bind for (0\.0\.0\.0|:::?|\[::\]):8083 failed: port is already allocated/,
    );
    assert.match(await docker('ps', '-a', '--format', '{{.Names}} {{.Status}}'), /^second Created$/m);
    await docker('kill', 'first');
    await docker('start', 'second');
    await reaches(() => fromHost('127.0.0.1:8083'));
  });

  test('a port of a process of the host is refused', async () => {
    const [program, ...args] = engine().namespaces.enter(['busybox', 'nc', '-l', '-p', '8084']);
    const other = spawn(program, args, { stdio: 'ignore' });
    const end = ended(other);
    try {
      await eventually('somebody listens', async () => {
        return (await engine().inside(['cat', '/proc/net/tcp', '/proc/net/tcp6'])).stdout.includes(':1F94 ');
      });
      const refused = await engine().docker(['run', '--rm', '-p', '8084:80', image, 'true']);
      assert.equal(refused.code, 125);
      assert.match(refused.stderr, /8084.*address already in use/);
      await docker('run', '--rm', '-p', '8085:80', image, 'true');
    } finally {
      other.kill('SIGKILL');
      await end;
    }
  });

  test('host, none and container: networks', async () => {
    await serve('base', '-p', '8086:80');
    const own = await docker('exec', 'base', 'ip', '-o', 'address');
    assert.equal(await docker('run', '--rm', '--network', 'container:base', image, 'ip', '-o', 'address'), own);
    const inside = await docker('run', '--rm', '--network', 'container:base', image, ...wget('127.0.0.1'));
    assert.equal(inside.trim(), page);
    assert.match(await docker('run', '--rm', '--network', 'host', image, ...wget('127.0.0.1:8086')), /served/);
    assert.equal(await docker('run', '--rm', '--network', 'none', image, 'ls', '/sys/class/net'), 'lo');
    for (const [flags, says] of [
      [['--network', 'container:nobody'], /No such container: nobody/],
      [
        ['--network', 'container:base', '-p', '1:1'],
        /conflicting options: port publishing and the container type network mode/,
      ],
      [['--network', 'container:base', '--hostname', 'x'], /conflicting options: hostname and the network mode/],
      [['--network', 'nowhere'], /network nowhere not found/],
    ] as const) {
      const { code, stderr } = await engine().docker(['run', '--rm', ...flags, image, 'true']);
      assert.equal(code, 125, flags.join(' '));
      assert.match(stderr, says);
    }
  });

  test('network ls and inspect', async () => {
    await serve('listed');
    const names = (await docker('network', 'ls', '--format', '{{.Name}} {{.Driver}} {{.Scope}}')).split('\n');
    assert.deepEqual(names.toSorted(), ['bridge bridge local', 'host host local', 'none null local']);
    assert.equal(await docker('network', 'ls', '-q', '--filter', 'driver=host').then((id) => id.length), 12);
    const view = JSON.parse(await docker('network', 'inspect', 'bridge')) as [
      { Containers: Record<string, { Name: string; IPv4Address: string }>; Options: Record<string, string> },
    ];
    const [endpoint] = Object.values(view[0].Containers);
    assert.equal(endpoint?.Name, 'listed');
    assert.equal(endpoint?.IPv4Address.split('/')[0], await addressOf('listed'));
    assert.match((await engine().docker(['network', 'inspect', 'nowhere'])).stderr, /network nowhere not found/);
  });

  test('rules that somebody flushed come back', async () => {
    await serve('flushed', '-p', '8087:80');
    await reaches(() => fromHost('127.0.0.1:8087'));
    await engine().inside(['nft', 'flush', 'ruleset']);
    await reaches(() => fromHost('127.0.0.1:8087'));
    const rules = (await engine().inside(['nft', 'list', 'ruleset'])).stdout;
    assert.match(rules, /table \S+ gantry/);
  });

  test('ports work on after the engine was killed and started again; stop sets them free', async () => {
    await serve('survivor', '-p', '8088:80', '--restart', 'no');
    await reaches(() => fromHost('127.0.0.1:8088'));
    await engine().stop('SIGKILL');
    await reaches(() => fromHost('127.0.0.1:8088'));
    await engine().start();
    await reaches(() => fromHost('127.0.0.1:8088'));
    await reaches(() => fromHost('[::1]:8088'));
    const refused = await engine().docker(['run', '--rm', '-p', '8088:80', image, 'true']);
    assert.match(refused.stderr, /port is already allocated/);
    await docker('stop', '-t', '1', 'survivor');
    await docker('run', '--rm', '-p', '8088:80', image, 'true');
  });
});
