/** macvlan and ipvlan: containers with interfaces of their own on one of the host's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addNeighbour } from '../support/neighbour.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

const server = ['sh', '-c', 'echo served > /index.html; exec httpd -f -h /'];
const wget = (host: string) => ['sh', '-c', `timeout 2 busybox wget -q -O - http://${host}/; exit $?`];

engineSuite('networks on an interface of the host', {}, (engine) => {
  const docker = dockerOf(engine);
  const create = (body: object) => engine().api('POST', '/networks/create', { Driver: 'macvlan', ...body });
  const links = async () => (await engine().inside(['ip', '-o', 'link'])).stdout;

  test('containers are machines on the wire', async () => {
    // The host's end of the wire is the parent; the neighbour is the router of that network.
    await using neighbour = await addNeighbour(engine());
    await docker.ok(
      'network',
      'create',
      '--driver=macvlan',
      '--subnet=192.0.2.0/24',
      '--ip-range=192.0.2.128/25',
      '--gateway=192.0.2.2',
      '-o',
      'parent=wire0',
      'lan',
    );
    const mac = '02:42:c0:00:02:99';
    await docker.ok(
      'run',
      '-d',
      '--name=one',
      '--network=lan',
      `--mac-address=${mac}`,
      '-p',
      '8110:80',
      busybox,
      ...server,
    );
    await docker.ok('run', '-d', '--name=two', '--network=lan', '--ip=192.0.2.200', busybox, ...server);
    const shown = await docker.ok('exec', 'one', 'sh', '-c', 'ip address show eth0; ip route');
    assert.match(shown, new RegExp(`${mac}[^]*inet 192\\.0\\.2\\.128/24[^]*default via 192\\.0\\.2\\.2 dev eth0`));
    await eventually('the outside reaches it', async () => {
      return (await neighbour.run(...wget('192.0.2.128'))).stdout === 'served\n';
    });
    assert.equal((await docker('exec', 'one', ...wget('192.0.2.200'))).stdout, 'served\n');
    assert.notEqual((await engine().inside(wget('127.0.0.1:8110'))).code, 0, 'no ports of the host lead there');
    await docker.ok('network', 'create', 'second');
    await docker.ok('network', 'connect', 'second', 'one');
    assert.match(await docker.ok('exec', 'one', 'ls', '/sys/class/net'), /eth1/);
    await docker.ok('network', 'disconnect', 'lan', 'one');
    assert.doesNotMatch(await docker.ok('exec', 'one', 'ls', '/sys/class/net'), /eth0/);
    await docker.ok('network', 'connect', 'lan', 'one');
    assert.match(await docker.ok('exec', 'one', 'ip', 'address'), /inet 192\.0\.2\.1\d\d\/24/);
    await engine().stop('SIGKILL');
    await engine().start();
    await docker.becomes('two', '{{.State.Running}}', 'true');
    assert.equal((await neighbour.run(...wget('192.0.2.200'))).stdout, 'served\n');
    await docker.ok('rm', '-f', 'one', 'two');
    await docker.ok('network', 'rm', 'lan', 'second');
    assert.match(await links(), / wire0@/, 'the parent stays');
  });

  test('the modes', async () => {
    await using _wire = await addNeighbour(engine());
    for (const mode of ['bridge', 'private', 'vepa', 'passthru']) {
      const name = `mode-${mode}`;
      await docker.ok('network', 'create', '-d', 'macvlan', '-o', 'parent=wire0', '-o', `macvlan_mode=${mode}`, name);
      const command = ['ip', '-o', '-4', 'address', 'show', 'eth0'];
      assert.match(await docker.ok('run', '--rm', `--network=${name}`, busybox, ...command), /inet 1[79]2\./, mode);
      await docker.ok('network', 'rm', name);
    }
    await docker.ok('network', 'create', '-d', 'macvlan', '-o', 'parent=wire0', 'one');
    const both = await create({ Name: 'two', Options: { parent: 'wire0', macvlan_mode: 'passthru' } });
    assert.match(both.text, /cannot use mode passthru, macvlan network \S+ is already using parent interface wire0/);
    await docker.ok('network', 'rm', 'one');
  });

  test('what cannot be', async () => {
    for (const [options, says] of [
      [{ parent: 'lo' }, /loopback interface is not a valid macvlan parent link/],
      [{ parent: 'nope' }, /invalid subinterface vlan name nope, example formatting is eth0\.10/],
      [{ parent: 'nope.5' }, /-o parent interface was not found on the host: nope/],
      [{ macvlan_mode: 'zz' }, /requested macvlan mode 'zz' is not valid, 'bridge' mode is the macvlan driver default/],
    ] as const) {
      const answer = await create({ Name: 'bad', Options: options });
      assert.ok(answer.status >= 400, answer.text);
      assert.match(answer.text, says);
      assert.equal((await engine().api('GET', '/networks/bad')).status, 404);
    }
    const mode = await create({ Name: 'bad', Driver: 'ipvlan', Options: { ipvlan_mode: 'zz' } });
    assert.match(mode.text, /requested ipvlan mode 'zz' is not valid, 'l2' mode is the ipvlan driver default/);
  });

  test('kinds of interfaces that the kernel lacks are said to be lacking', async () => {
    await using _wire = await addNeighbour(engine());
    const has = async (kind: string, ...more: string[]) => {
      const { code } = await engine().inside(['ip', 'link', 'add', 'probe0', ...more, 'type', kind]);
      if (code === 0) await engine().inside(['ip', 'link', 'delete', 'probe0']);
      return code === 0;
    };
    for (const [kind, body] of [
      ['ipvlan', { Driver: 'ipvlan', Options: { parent: 'wire0' } }],
      ['dummy', {}],
    ] as const) {
      const answer = await create({ Name: kind, ...body });
      if (await has(kind, ...(kind === 'ipvlan' ? ['link', 'wire0'] : []))) {
        assert.equal(answer.status, 201, answer.text);
        await docker.ok('network', 'rm', kind);
      } else {
        assert.match(answer.text, /operation not supported/);
        assert.equal((await engine().api('GET', `/networks/${kind}`)).status, 404);
      }
    }
  });
});
