/** Bandwidth limits: set in every way, changed while the container runs, kept over kills, seen on real packets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

engineSuite('bandwidth', { skip: isOracle() && 'these are additions' }, (engine) => {
  const docker = dockerOf(engine);
  const gantry = async (...args: string[]) => {
    const [program, ...first] = gantryProgram;
    return run(program, [...first, ...args], { env: engine().clientEnv() });
  };
  const gantryOk = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await gantry(...args);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  };
  const sleeper = [busybox, 'sleep', '1000'];
  const inside = async (...command: string[]): Promise<string> => {
    const { code, stdout, stderr } = await engine().inside(command);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const crash = async (): Promise<void> => {
    await engine().stop('SIGKILL');
    await engine().start();
  };

  /** Rates of the queues (bits a second) by the kernel's word: of cables and their helpers, and of bridges and theirs. */
  async function limits(): Promise<{ cables: Record<string, string>; bridges: Record<string, string> }> {
    const queues = JSON.parse(await inside('tc', '-j', 'qdisc', 'show')) as {
      kind: string;
      dev: string;
      options: { rate?: number };
    }[];
    const cables: Record<string, string> = {};
    const bridges: Record<string, string> = {};
    for (const { kind, dev, options } of queues) {
      if (kind !== 'tbf') continue;
      const rate = `${((options.rate ?? 0) * 8) / 1e6}`;
      if (/^g[0-9a-f]{13}r$/.test(dev)) cables['out'] = [cables['out'], rate].filter(Boolean).join();
      else if (/^g[0-9a-f]{13}$/.test(dev)) cables['in'] = [cables['in'], rate].filter(Boolean).join();
      else bridges['in'] = rate;
    }
    const rules = await inside('nft', 'list', 'ruleset');
    const [, number = '', unit = ''] = /limit rate over (\d+) ([km]?)bytes\/second/.exec(rules) ?? [];
    if (number !== '') bridges['out'] = `${(Number(number) * { '': 1, k: 1024, m: 1_048_576 }[unit]! * 8) / 1e6}`;
    return { cables, bridges };
  }
  const ofCables = async () => (await limits()).cables;
  /** Interfaces go in the background, after a container's end is told. */
  const gone = () => eventually('no cable is limited', async () => Object.keys(await ofCables()).length === 0);
  const optionsOf = (name: string, network: string) =>
    docker.field(name, `{{json (index .NetworkSettings.Networks "${network}").DriverOpts}}`);

  test('the stock client limits an endpoint, and a network its endpoints', async () => {
    await docker.ok('network', 'create', '-o', 'gantry.rate.in=30mbit', '-o', 'gantry.rate.out=20mbit', 'slow');
    await docker.ok('run', '-d', '--name=plain', '--network=slow', ...sleeper);
    assert.deepEqual(await ofCables(), { in: '30', out: '20' });
    await docker.ok('rm', '-f', 'plain');
    const own = 'name=slow,driver-opt=gantry.rate.in=5mbit,driver-opt=gantry.rate.out=none';
    await docker.ok('run', '-d', '--name=own', '--network', own, ...sleeper);
    assert.deepEqual(await ofCables(), { in: '5' });
    assert.deepEqual(JSON.parse(await optionsOf('own', 'slow')), {
      'gantry.rate.in': '5mbit',
      'gantry.rate.out': 'none',
    });
    const shown = JSON.parse(await docker.ok('network', 'inspect', '--format', '{{json .Options}}', 'slow')) as object;
    assert.deepEqual(shown, { 'gantry.rate.in': '30mbit', 'gantry.rate.out': '20mbit' });
    await docker.ok('network', 'create', 'other');
    await docker.ok('network', 'connect', '--driver-opt=gantry.rate.out=7mbit', 'other', 'own');
    assert.deepEqual(await ofCables(), { in: '5', out: '7' });
    await docker.ok('network', 'disconnect', 'other', 'own');
    assert.deepEqual(await ofCables(), { in: '5' });
    await docker.ok('restart', '-t0', 'own');
    assert.deepEqual(await ofCables(), { in: '5' });
    await docker.ok('rm', '-f', 'own');
    await gone();
  });

  test('gantry run, update and network update; a kill of the engine changes nothing', async () => {
    await gantryOk('run', '-d', '--name=one', '--network-rate-in=10mbit', '--network-rate-out=1mbyte', ...sleeper);
    assert.deepEqual(await ofCables(), { in: '10', out: '8' });
    await crash();
    assert.deepEqual(await ofCables(), { in: '10', out: '8' });
    await gantryOk('update', '--network-rate-in=bridge=40mbit', '--network-rate-out=default', 'one');
    assert.deepEqual(await ofCables(), { in: '40' });
    assert.deepEqual(JSON.parse(await optionsOf('one', 'bridge')), { 'gantry.rate.in': '40mbit' });
    await gantryOk('network', 'update', '--rate-out=15mbit', '--rate-in=1gbit', 'bridge');
    assert.deepEqual(await ofCables(), { in: '40', out: '15' });
    await crash();
    assert.deepEqual(await ofCables(), { in: '40', out: '15' });
    await docker.ok('restart', '-t0', 'one');
    assert.deepEqual(await ofCables(), { in: '40', out: '15' });
    await docker.ok('stop', '-t0', 'one');
    await gone();
    await gantryOk('update', '--network-rate-in=none', 'one');
    await docker.ok('start', 'one');
    assert.deepEqual(await ofCables(), { out: '15' });
    await gantryOk('network', 'update', '--rate-out=', '--rate-in=', 'bridge');
    assert.deepEqual(await ofCables(), {});
    assert.doesNotMatch(await docker.ok('network', 'inspect', 'bridge'), /gantry\.rate/);
  });

  test('a network has a limit as a whole, and keeps it', async () => {
    await gantryOk('network', 'create', '--total-rate-in=100mbit', '--total-rate-out=50mbit', 'whole');
    assert.deepEqual(await limits(), { cables: {}, bridges: { in: '100', out: '50' } });
    await crash();
    assert.deepEqual((await limits()).bridges, { in: '100', out: '50' });
    await gantryOk('network', 'update', '--total-rate-out=', 'whole');
    assert.deepEqual((await limits()).bridges, { in: '100' });
    await docker.ok('network', 'rm', 'whole');
    assert.deepEqual((await limits()).bridges, {});
  });

  test('packets are held up: each container, and the whole network; nothing else is', async () => {
    await gantryOk('network', 'create', '--total-rate-out=20mbit', 'net');
    await docker.ok('network', 'create', 'outside');
    const serve = `dd if=/dev/zero of=/var/www/big bs=1M count=8 2>/dev/null; exec httpd -f -h /var/www`;
    await docker.ok('run', '-d', '--name=server', '--network=net', '-p', '8199:80', busybox, 'sh', '-c', serve);
    await docker.ok('run', '-d', '--name=client', '--network=net', ...sleeper);
    await docker.ok('run', '-d', '--name=stranger', '--network=outside', ...sleeper);
    const address = await docker.field('server', '{{.NetworkSettings.Networks.net.IPAddress}}');
    const gateway = await docker.field('stranger', '{{.NetworkSettings.Networks.outside.Gateway}}');
    const megabits = 8 * 1.048_576 * 8;
    /** How long 8 MiB take, in seconds by the kernel's clock. */
    const duration = async (client: string, url: string): Promise<number> => {
      const script = `cat /proc/uptime; wget -q -O /dev/null ${url}/big || exit 1; cat /proc/uptime`;
      const lines = (await docker.ok('exec', client, 'sh', '-c', script)).split('\n');
      const [before = 0, after = 0] = lines.map(Number.parseFloat);
      return after - before;
    };
    const [near, far] = [`http://${address}`, `http://${gateway}:8199`];
    /** At a rate after a burst: a busy machine may take longer, never less. */
    const about = (rate: number, seconds: number, burstSeconds = 0.1) => {
      const least = megabits / rate - burstSeconds;
      assert.ok(seconds > least * 0.95 && seconds < least * 4, `${seconds} s at ${rate} Mbit/s, expected ${least}`);
    };
    const fast = async (client: string, url: string) => (await duration(client, url)) < megabits / 60;
    assert.ok(await fast('client', near), 'the limit of the whole is not that of its parts');
    about(20, await duration('stranger', far), 1.1);
    await gantryOk('update', '--network-rate-in=25mbit', 'client');
    about(25, await duration('client', near));
    await gantryOk('update', '--network-rate-out=15mbit', 'server');
    about(15, await duration('client', near));
    await gantryOk('network', 'update', '--total-rate-out=', 'net');
    await gantryOk('update', '--network-rate-out=40mbit', 'server');
    about(40, await duration('stranger', far));
    await gantryOk('update', '--network-rate-out=default', 'server');
    await gantryOk('update', '--network-rate-in=none', 'client');
    assert.ok((await fast('stranger', far)) && (await fast('client', near)), 'no limit is left');
  });

  test('what cannot be is refused, and changes nothing', async () => {
    await docker.ok('network', 'create', 'net');
    await docker.ok('run', '-d', '--name=one', '--network=net', ...sleeper);
    await docker.ok('run', '-d', '--name=host', '--network=host', ...sleeper);
    const refused: [Promise<{ code: number; stderr: string }>, RegExp][] = [
      [docker('network', 'create', '-o', 'gantry.rate.in=fast', 'x'), /invalid value "fast" of gantry\.rate\.in/],
      [docker('network', 'create', '-o', 'gantry.rate.total.out=1kbit', 'x'), /from 8kbit to 1tbit/],
      [docker('network', 'create', '-o', 'gantry.rate.inn=1mbit', 'x'), /unknown option "gantry\.rate\.inn"/],
      [gantry('run', '--network-rate-in=1', busybox, 'true'), /invalid value "1" of gantry\.rate\.in/],
      [gantry('run', '--network=host', '--network-rate-in=1mbit', busybox, 'true'), /on bridge networks/],
      [gantry('run', '--network=none', '--network-rate-in=1mbit', busybox, 'true'), /on bridge networks/],
      [gantry('run', '--network=container:one', '--network-rate-in=1mbit', busybox, 'true'), /network mode container/],
      [gantry('update', '--network-rate-in=net=0mbit', 'one'), /invalid value "0mbit"/],
      [gantry('update', '--network-rate-in=other=1mbit', 'one'), /not on the network other/],
      [gantry('update', '--network-rate-in=', 'one'), /invalid rate ""/],
      [gantry('update', '--network-rate-in=1mbit', 'host'), /on bridge networks/],
      [gantry('network', 'update', '--rate-in=1mbit', 'host'), /on bridge networks, and host is a host network/],
      [gantry('network', 'update', '--rate-in=zz', 'net'), /invalid value "zz"/],
      [gantry('network', 'update', '--rate-in=1mbit', 'nonet'), /network nonet not found/],
    ];
    for (const [result, says] of refused) {
      const { code, stderr } = await result;
      assert.notEqual(code, 0, String(says));
      assert.match(stderr, says);
    }
    const refusal = await engine().api('POST', '/networks/net/update', { Options: { parent: 'eth0' } });
    assert.equal(refusal.status, 400);
    assert.match(refusal.json<{ message: string }>().message, /option "parent" of a network cannot be changed/);
    assert.deepEqual(await limits(), { cables: {}, bridges: {} });
    assert.deepEqual(await docker.ok('network', 'ls', '-q', '--filter=name=x'), '');
  });
});
