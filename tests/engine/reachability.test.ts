/**
 * Who reaches what, for each way to publish and both IP versions: a machine that routes through the host, the host itself,
 * a container of the same network and one of another network.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { addNeighbour, type Neighbour } from '../support/neighbour.ts';
import { run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';
import { ask, type Place, servePorts } from './_reach.ts';

const host6 = 'fd77::1';
const mode = (name: string) =>
  [4, 6].flatMap((family) => ['-o', `com.docker.network.bridge.gateway_mode_ipv${family}=${name}`]);

/** For whom something answers: `outside`, `host`, `peer` (same network), `other` (another network), separated by blanks. */
interface Expected {
  /** By the container's own address: the published port, and one that is not. */
  readonly published: string;
  readonly closed: string;
  /** By the host's address on the wire. */
  readonly wire: string;
  /** By the host's loopback. */
  readonly loopback: string;
}
const nobody = '';
const within = 'host peer';
const everyone = 'outside host peer other';
const closed = { published: within, closed: within };

engineSuite('who reaches what', {}, (engine) => {
  const docker = dockerOf(engine);
  const pidOf = async (name: string) => Number(await docker.field(name, '{{.State.Pid}}'));
  const inside =
    (pid: number): Place =>
    (command) =>
      run('nsenter', [`--target=${pid}`, '--net', '--', ...command]);
  const sleeper = (name: string, ...options: string[]) =>
    docker.ok('run', '-d', `--name=${name}`, ...options, busybox, 'sleep', '1000');

  async function wired(): Promise<Neighbour> {
    const neighbour = await addNeighbour(engine(), { routes: true });
    await engine().inside(['ip', 'address', 'add', `${host6}/64`, 'dev', 'wire0', 'nodad']);
    await neighbour.run('ip', 'address', 'add', 'fd77::2/64', 'dev', 'eth0', 'nodad');
    await neighbour.run('ip', 'route', 'add', 'default', 'via', host6);
    return neighbour;
  }

  /** Starts the three containers and asks from everywhere; gives for whom each target answered, by family. */
  async function reached(network: readonly string[], publish: readonly string[]): Promise<Record<4 | 6, Expected>> {
    await using neighbour = await wired();
    await docker.ok('network', 'create', '--ipv6', ...network, 'mine');
    await docker.ok('network', 'create', '--ipv6', 'another');
    await sleeper('web', '--network=mine', ...publish);
    await sleeper('peer', '--network=mine');
    await sleeper('other', '--network=another');
    await using _ = await servePorts(await pidOf('web'), 80, 81);
    const own = (field: string) => docker.field('web', `{{(index .NetworkSettings.Networks "mine").${field}}}`);
    const hosts = {
      4: [await own('IPAddress'), neighbour.hostAddress, '127.0.0.1'],
      6: [await own('GlobalIPv6Address'), host6, '::1'],
    };
    const targets = ([4, 6] as const).flatMap((family) => {
      const [address = '', wire = '', loopback = ''] = hosts[family];
      return [
        { host: address, port: 80 },
        { host: address, port: 81 },
        { host: wire, port: 8160 },
        { host: loopback, port: 8160 },
      ];
    });
    const places: Readonly<Record<string, Place>> = {
      outside: (command) => neighbour.run(...command),
      host: (command) => engine().inside(command),
      peer: inside(await pidOf('peer')),
      other: inside(await pidOf('other')),
    };
    const answers = await Promise.all(
      Object.entries(places).map(async ([name, place]) => [name, await ask(place, targets)] as const),
    );
    const row = (at: number): string =>
      answers
        .filter(([, answered]) => answered[at] !== '')
        .map(([name]) => name)
        .join(' ');
    const rows = (first: number): Expected => ({
      published: row(first),
      closed: row(first + 1),
      wire: row(first + 2),
      loopback: row(first + 3),
    });
    return { 4: rows(0), 6: rows(4) };
  }

  const check = async (
    network: readonly string[],
    publish: readonly string[],
    expected: Expected | Record<4 | 6, Expected>,
  ) => {
    const wanted = '4' in expected ? expected : { 4: expected, 6: expected };
    assert.deepEqual(await reached(network, publish), wanted);
  };

  test('nat', async () => {
    await check([], ['-p', '8160:80'], { ...closed, wire: everyone, loopback: 'host' });
  });

  for (const value of [0, 1]) {
    test(`nat, with net.bridge.bridge-nf-call-iptables=${value} and the same for IPv6`, {
      skip: !existsSync('/proc/sys/net/bridge') && 'this kernel has no br_netfilter',
    }, async () => {
      const set = async (wanted: number) => {
        const files = ['', '6'].map((family) => `/proc/sys/net/bridge/bridge-nf-call-ip${family}tables`);
        const { code } = await engine().inside([
          'sh',
          '-c',
          files.map((file) => `echo ${wanted} > ${file}`).join(' && '),
        ]);
        assert.equal(code, 0);
      };
      // The namespaces of tests begin with 1.
      await set(value);
      try {
        await check([], ['-p', '8160:80'], { ...closed, wire: everyone, loopback: 'host' });
      } finally {
        await set(1);
      }
    });
  }

  test('nat, on the loopback addresses', async () => {
    const publish = ['-p', '127.0.0.1:8160:80', '-p', '[::1]:8160:80'];
    await check([], publish, { ...closed, wire: nobody, loopback: 'host' });
  });

  test('nat, on one address of the host', async () => {
    const publish = ['-p', '192.0.2.1:8160:80', '-p', `[${host6}]:8160:80`];
    await check([], publish, { ...closed, wire: everyone, loopback: nobody });
  });

  test('nat-unprotected', async () => {
    const open = isOracle() ? 'outside host peer' : everyone;
    await check(mode('nat-unprotected'), ['-p', '8160:80'], {
      published: open,
      closed: open,
      wire: everyone,
      loopback: 'host',
    });
  });

  test('routed', async () => {
    await check(mode('routed'), ['-p', '8160:80'], {
      published: everyone,
      closed: within,
      wire: nobody,
      loopback: nobody,
    });
  });

  test('internal', async () => {
    await check(['--internal'], [], { ...closed, wire: nobody, loopback: nobody });
  });

  test('internal and isolated', async () => {
    const only = { published: 'peer', closed: 'peer', wire: nobody, loopback: nobody };
    await check(['--internal', ...mode('isolated')], [], only);
  });

  test('kept apart', async () => {
    const expected = { published: 'host', closed: 'host', wire: 'outside host other', loopback: 'host' };
    const { 4: four, 6: six } = await reached(['-o', 'com.docker.network.bridge.enable_icc=false'], ['-p', '8160:80']);
    const withoutPeer = ({ wire, ...more }: Expected): Expected => ({ ...more, wire: wire.replace('peer ', '') });
    assert.deepEqual([withoutPeer(four), withoutPeer(six)], [expected, expected]);
  });

  test('for clients of one address only', { skip: isOracle() && 'an addition of Gantry' }, async () => {
    const label = '--label=gantry.publish.from=192.0.2.2,fd77::2';
    await check([], [label, '-p', '8160:80'], { ...closed, wire: 'outside host', loopback: 'host' });
  });

  test('nothing leaves an internal network, whatever routes its containers make', async () => {
    await using neighbour = await wired();
    const capture = [
      'table inet capture {',
      'set seen4 {\ntype ipv4_addr . inet_proto\nflags dynamic\nsize 4096\n}',
      'set seen6 {\ntype ipv6_addr . inet_proto\nflags dynamic\nsize 4096\n}',
      'chain arriving {\ntype filter hook prerouting priority -400',
      'iif lo return',
      'update @seen4 { ip saddr . ip protocol }',
      'icmpv6 type != echo-request return',
      'update @seen6 { ip6 saddr . meta l4proto }',
      '}\n}',
    ];
    assert.equal((await neighbour.run('nft', capture.join('\n'))).code, 0);
    /** Senders and protocols of all packets that have come to the neighbour since the last look. */
    const seen = async () => {
      const found = await Promise.all(
        ['seen4', 'seen6'].map((set) => neighbour.run('nft', 'list', 'set', 'inet', 'capture', set)),
      );
      for (const set of ['seen4', 'seen6']) await neighbour.run('nft', 'flush', 'set', 'inet', 'capture', set);
      return found.flatMap(
        ({ stdout }) =>
          /elements = \{([^}]*)\}/
            .exec(stdout)?.[1]
            ?.split(',')
            .map((one) => one.trim()) ?? [],
      );
    };
    for (const [name, options] of [
      ['inner', ['--internal']],
      ['outer', []],
    ] as const) {
      await docker.ok('network', 'create', '--ipv6', ...options, name);
      await sleeper(name, `--network=${name}`);
      const pid = await pidOf(name);
      const config = JSON.parse(await docker.ok('network', 'inspect', '--format={{json .IPAM.Config}}', name)) as {
        Gateway: string;
      }[];
      for (const { Gateway } of config) {
        await inside(pid)(['ip', 'route', 'replace', 'default', 'via', Gateway, 'dev', 'eth0']);
      }
      const targets = [neighbour.address, 'fd77::2'].flatMap((host) => [
        { host, port: 80 },
        { host, port: 53, udp: true },
      ]);
      await seen();
      assert.deepEqual(await ask(inside(pid), targets), ['', '', '', '']);
      await inside(pid)(['busybox', 'ping', '-c', '1', '-W', '1', neighbour.address]);
      const senders = await seen();
      if (name === 'inner') assert.deepEqual(senders, [], 'an internal network');
      else assert.ok(senders.length >= 4, `the same from another network is seen: ${senders.join()}`);
    }
  });
});
