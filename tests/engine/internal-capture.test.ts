/** A capture on the wire outside: nothing that containers of an internal network do is seen there, names included. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { askFrom, enterNetwork, startNameServer } from '../support/name-tools.ts';
import { addNeighbour } from '../support/neighbour.ts';
import { run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { lastPort, startCapture } from './_capture.ts';
import { busybox, dockerOf } from './_docker.ts';
import { ask, type Place } from './_reach.ts';

const host6 = 'fd77::1';
const neighbour6 = 'fd77::2';
const outsideName = 'outside.test';
/** The protocols of `SOURCE > DESTINATION PROTOCOL PORT`. */
const [icmp, tcp, udp, icmp6] = [1, 6, 17, 58];

engineSuite('what leaves an internal network', {}, (engine) => {
  const docker = dockerOf(engine);
  const inside =
    (pid: string): Place =>
    (command) => {
      const [program, ...args] = enterNetwork(pid, command);
      return run(program, args);
    };

  /** Containers of a network do all that reaches outside elsewhere, with routes that they make themselves. */
  async function busy(options: readonly string[], outside: string): Promise<void> {
    await docker.ok('network', 'create', '--ipv6', ...options, 'net');
    for (const [name, ...flags] of [['one'], ['two', `--dns=${outside}`]] as const) {
      await docker.ok('run', '-d', `--name=${name}`, '--network=net', ...flags, busybox, 'sleep', '1000');
    }
    const text = await docker.ok('network', 'inspect', '--format={{json .IPAM.Config}}', 'net');
    const gateways = (JSON.parse(text) as { Gateway: string }[]).map(({ Gateway }) => Gateway);
    const [one, two] = [await docker.field('one', '{{.State.Pid}}'), await docker.field('two', '{{.State.Pid}}')];
    for (const pid of [one, two]) {
      for (const gateway of gateways) {
        await inside(pid)(['ip', 'route', 'replace', 'default', 'via', gateway, 'dev', 'eth0']);
      }
      await inside(pid)(['ip', 'route', 'replace', '224.0.0.0/4', 'dev', 'eth0']);
    }
    assert.equal((await askFrom(one, 'two')).length, 1, 'names of the network itself are answered');
    const targets = [outside, neighbour6, ...gateways].flatMap((host) => [
      { host, port: 80 },
      { host, port: 53 },
      { host, port: 5353, udp: true },
    ]);
    await Promise.all([
      ask(inside(one), [...targets, { host: '239.1.2.3', port: 5353, udp: true }]),
      ask(inside(two), targets),
      ...[outside, neighbour6].map((host) => inside(one)(['busybox', 'ping', '-c', '1', '-W', '1', host])),
      ...[one, two].flatMap((pid) => ['A', 'AAAA', 'MX'].map((type) => askFrom(pid, outsideName, type))),
      askFrom(one, '2.2.0.192.in-addr.arpa', 'PTR'),
    ]);
  }

  test('nothing: no packet and no question for a name', async () => {
    await using neighbour = await addNeighbour(engine(), { routes: true });
    await engine().inside(['ip', 'address', 'add', `${host6}/64`, 'dev', 'wire0', 'nodad']);
    await neighbour.run('ip', 'address', 'add', `${neighbour6}/64`, 'dev', 'eth0', 'nodad');
    await neighbour.run('ip', 'route', 'add', 'default', 'via', host6);
    const enter = (command: readonly string[]) => neighbour.enter(command);
    const names = { [outsideName]: ['192.0.2.77'] };
    await using _server = await startNameServer(enter, neighbour.address, names);
    const file = join(engine().folder, 'resolv.conf');
    await writeFile(file, `nameserver ${neighbour.address}\n`);
    await engine().inside(['mount', '--bind', file, '/etc/resolv.conf']);
    try {
      for (const options of [['--internal'], []]) {
        const capture = await startCapture(enter, 'eth0');
        await busy(options, neighbour.address);
        const last = `echo end > /dev/udp/${neighbour.address}/${lastPort}`;
        assert.equal((await engine().inside(['bash', '-c', last])).code, 0);
        const packets = await capture.packets;
        if (options.length > 0) assert.deepEqual(packets, []);
        else {
          // The same from a network with a way out: what the capture would have shown.
          const shown = new Set(packets.map((packet) => packet.replace(/^\S+ > /, '')));
          for (const [host, ...more] of [
            [neighbour.address, tcp, 80],
            [neighbour.address, udp, 53],
            [neighbour.address, icmp, 0],
            [neighbour6, udp, 5353],
            [neighbour6, icmp6, 0],
          ]) {
            assert.ok(shown.has([host, ...more].join(' ')), `${host} ${more.join(' ')}: ${[...shown].join(', ')}`);
          }
        }
        await docker.ok('rm', '-f', 'one', 'two');
        await docker.ok('network', 'rm', 'net');
      }
    } finally {
      await engine().inside(['umount', '/etc/resolv.conf']);
    }
  });
});
