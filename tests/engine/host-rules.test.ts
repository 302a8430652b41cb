/** Ports that the host's own rules for incoming packets decide about, as ufw has them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { addNeighbour } from '../support/neighbour.ts';
import { run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';
import { ask, type Place, servePorts, type Target } from './_reach.ts';

const host6 = 'fd77::1';
const neighbour6 = 'fd77::2';

engineSuite('ports by the rules of the host', { skip: isOracle() && 'an addition of Gantry' }, (engine) => {
  const docker = dockerOf(engine);
  const host: Place = (command) => engine().inside(command);
  const nft = async (...lines: string[]) => {
    const { code, stderr } = await engine().inside(['nft', lines.join('\n')]);
    assert.equal(code, 0, stderr);
  };
  const pidOf = async (name: string) => Number(await docker.field(name, '{{.State.Pid}}'));
  const sleeper = (name: string, ...options: string[]) =>
    docker.ok('run', '-d', `--name=${name}`, ...options, busybox, 'sleep', '1000');
  const gantry = async (...args: string[]) => {
    const [program, ...first] = gantryProgram;
    return run(program, [...first, ...args], { env: engine().clientEnv() });
  };
  const cables = async () =>
    (await engine().inside(['ip', '-br', 'link'])).stdout.split('\n').filter((line) => /^g[0-9a-f]{13}/.test(line));

  test('a port is closed until they open it, and clients keep their addresses', async () => {
    await using neighbour = await addNeighbour(engine());
    await engine().inside(['ip', 'address', 'add', `${host6}/64`, 'dev', 'wire0', 'nodad']);
    await neighbour.run('ip', 'address', 'add', `${neighbour6}/64`, 'dev', 'eth0', 'nodad');
    await docker.ok('network', 'create', '--ipv6', 'six');
    const published = ['-p', '8150:80,host-rules', '-p', '8150:80/udp,host-rules', '-p', '8151:80'];
    const made = await gantry('run', '-d', '--name=web', '--network=six', ...published, busybox, 'sleep', '1000');
    assert.equal(made.code, 0, made.stderr);
    await sleeper('peer', '--network=six');
    await sleeper('other');
    await using _ = await servePorts(await pidOf('web'), 80);
    const outside: Place = (command) => neighbour.run(...command);
    const at = neighbour.hostAddress;
    const targets: Target[] = [
      { host: at, port: 8150 },
      { host: at, port: 8150, udp: true },
      { host: host6, port: 8150 },
      { host: host6, port: 8150, udp: true },
    ];
    const everywhere = [neighbour.address, neighbour.address, neighbour6, neighbour6];
    assert.deepEqual(await ask(outside, targets), everywhere, 'without any rules');
    await nft(
      'table inet ufw-like {',
      'chain in {',
      'type filter hook input priority 0; policy drop',
      'iif lo accept',
      'ct state established,related accept',
      'meta l4proto ipv6-icmp accept',
      '}',
      '}',
    );
    assert.deepEqual(await ask(outside, targets), ['', '', '', ''], 'with rules that let nothing in');
    assert.deepEqual(
      await ask(outside, [{ host: at, port: 8151 }]),
      [neighbour.address],
      'other ports do not ask them',
    );
    const inside =
      (pid: number): Place =>
      (command) =>
        run('nsenter', [`--target=${pid}`, '--net', '--', ...command]);
    for (const name of ['peer', 'other']) {
      assert.deepEqual(
        await ask(inside(await pidOf(name)), targets.slice(0, 1)),
        [''],
        `a container is outside: ${name}`,
      );
    }
    const local = ['127.0.0.1', '::1', at, host6].map((one) => ({ host: one, port: 8150 }));
    const fromHost = await ask(host, local);
    assert.ok(fromHost.every(Boolean), `the host itself: ${fromHost.join()}`);
    await nft('add rule inet ufw-like in tcp dport 8150 ip saddr 192.0.2.0/24 accept');
    assert.deepEqual(await ask(outside, targets), [neighbour.address, '', '', ''], 'what they open');
    await nft('add rule inet ufw-like in meta l4proto { tcp, udp } th dport 8150 accept');
    assert.deepEqual(await ask(outside, targets), everywhere);
    for (const name of ['peer', 'other']) {
      const [answer] = await ask(inside(await pidOf(name)), targets.slice(0, 1));
      assert.notEqual(answer, '', name);
    }
    await engine().stop('SIGKILL');
    assert.deepEqual(await ask(outside, targets), everywhere, 'without an engine');
    await engine().start();
    assert.deepEqual(await ask(outside, targets), everywhere, 'and with a new one');
    const pairs = (await cables()).length;
    const shown = await gantry('ps', '--ports');
    assert.match(shown.stdout, /80\/tcp\s+0\.0\.0\.0:8150\s+everyone, if the host's own rules let them in\n/);
    await docker.ok('rm', '-f', 'web');
    await eventually('the way back in is gone', async () => (await cables()).length <= pairs - 3);
    await nft('delete table inet ufw-like');
  });

  test('by a label, by an option of the network, not where there is no port of the host', async () => {
    await using neighbour = await addNeighbour(engine());
    await docker.ok('network', 'create', '-o', 'gantry.publish.host-rules=true', 'asked');
    await docker.ok('network', 'create', '-o', 'com.docker.network.bridge.gateway_mode_ipv4=routed', 'routed');
    await nft(
      'table inet ufw-like {',
      'chain in {',
      'type filter hook input priority 0',
      'tcp dport 8152-8153 drop',
      '}',
      '}',
    );
    await sleeper('labelled', '--label=gantry.publish.host-rules=true', '-p', `${neighbour.hostAddress}:8152:80`);
    await sleeper('asked', '--network=asked', '-p', '8153:80', '-p', '8154:80');
    await using _a = await servePorts(await pidOf('labelled'), 80);
    await using _b = await servePorts(await pidOf('asked'), 80);
    const targets = [8152, 8153, 8154].map((port) => ({ host: neighbour.hostAddress, port }));
    const asked = () => ask((command) => neighbour.run(...command), targets);
    assert.deepEqual(await asked(), ['', '', neighbour.address]);
    await nft('delete table inet ufw-like');
    assert.deepEqual(await asked(), [neighbour.address, neighbour.address, neighbour.address]);
    const refused = await gantry('run', '-d', '--network=routed', '-p', '8155:80,host-rules', busybox, 'true');
    assert.match(
      refused.stderr,
      /cannot be published by the host's rules: in the gateway mode routed it has no port of the host/,
    );
    await engine().inside(['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter']);
    const strict = await gantry('run', '-d', '-p', '8156:80,host-rules', busybox, 'true');
    await engine().inside(['sh', '-c', 'echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter']);
    assert.match(strict.stderr, /sources are checked strictly here \(net\.ipv4\.conf\.all\.rp_filter=1\); set it to 2/);
  });
});

engineSuite(
  'ports by the rules of the host, when the operator says so',
  { flags: ['--default-publish-host-rules'], skip: isOracle() && 'an addition of Gantry' },
  (engine) => {
    const docker = dockerOf(engine);

    test('all ports, unless they say themselves', async () => {
      await using neighbour = await addNeighbour(engine());
      const rules =
        'table inet ufw-like {\nchain in {\ntype filter hook input priority 0\ntcp dport 8157-8158 drop\n}\n}';
      await engine().inside(['nft', rules]);
      await docker.ok('run', '-d', '--name=web', '-p', '8157:80', busybox, 'sleep', '1000');
      const open = '--label=gantry.publish.host-rules=false';
      await docker.ok('run', '-d', '--name=open', open, '-p', '8158:80', busybox, 'sleep', '1000');
      await using _a = await servePorts(Number(await docker.field('web', '{{.State.Pid}}')), 80);
      await using _b = await servePorts(Number(await docker.field('open', '{{.State.Pid}}')), 80);
      const targets = [8157, 8158].map((port) => ({ host: neighbour.hostAddress, port }));
      const asked = () => ask((command) => neighbour.run(...command), targets);
      assert.deepEqual(await asked(), ['', neighbour.address]);
      await engine().inside(['nft', 'delete table inet ufw-like']);
      assert.deepEqual(await asked(), [neighbour.address, neighbour.address]);
    });
  },
);
