/** What the engine's flags say of networks: pools, defaults of options, containers that are kept apart. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOracle, startEngine } from '../support/engine.ts';
import { needsRoot } from '../support/skip.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

const server = ['sh', '-c', 'echo served > /index.html; exec httpd -f -h /'];
const wget = (host: string) => ['sh', '-c', `timeout 2 busybox wget -q -O - http://${host}/; exit $?`];

const pools = [
  '--bip=10.199.0.1/24',
  '--default-address-pool=base=10.200.0.0/24,size=25',
  '--default-address-pool=base=fd00:200::/48,size=64',
  '--default-network-opt=bridge=com.docker.network.driver.mtu=1380',
];

engineSuite('address pools', { flags: pools }, (engine) => {
  const docker = dockerOf(engine);
  const subnets = async (name: string) =>
    (await docker.ok('network', 'inspect', '--format={{range .IPAM.Config}}{{.Subnet}} {{end}}', name)).trim();

  test('subnets come from the pools until these are used up', async () => {
    await docker.ok('network', 'create', '--ipv6', 'one');
    await docker.ok('network', 'create', 'two');
    assert.equal(await subnets('one'), '10.200.0.0/25 fd00:200::/64');
    assert.equal(await subnets('two'), '10.200.0.128/25');
    const { status, text } = await engine().api('POST', '/networks/create', { Name: 'three' });
    assert.equal(status, 400);
    assert.match(text, /all predefined address pools have been fully subnetted/);
    await docker.ok('network', 'create', '--subnet=10.201.0.0/24', 'three');
    await docker.ok('network', 'rm', 'one');
    await docker.ok('network', 'create', 'four');
    assert.equal(await subnets('four'), '10.200.0.0/25');
    assert.equal(await docker.ok('network', 'inspect', '--format={{len .Options}}', 'four'), '1');
    const mtu = await docker.ok('run', '--rm', '--network=four', busybox, 'cat', '/sys/class/net/eth0/mtu');
    assert.equal(mtu, '1380');
  });

  test('subnets that the host uses are passed by', async () => {
    await engine().inside(['ip', 'link', 'add', 'used0', 'type', 'veth', 'peer', 'name', 'used1']);
    await engine().inside(['ip', 'address', 'add', '10.200.0.9/25', 'dev', 'used0']);
    for (const end of ['used0', 'used1']) await engine().inside(['ip', 'link', 'set', end, 'up']);
    try {
      await docker.ok('network', 'create', 'one');
      assert.equal(await subnets('one'), '10.200.0.128/25');
    } finally {
      await engine().inside(['ip', 'link', 'delete', 'used0']);
    }
  });
});

engineSuite('a default network that keeps containers apart', { flags: ['--icc=false'] }, (engine) => {
  const docker = dockerOf(engine);

  test('only published ports are reached', async () => {
    await docker.ok('run', '-d', '--name=web', '-p', '8140:80', busybox, ...server);
    const address = await docker.field('web', '{{.NetworkSettings.Networks.bridge.IPAddress}}');
    await eventually('it serves', async () => (await engine().inside(wget('127.0.0.1:8140'))).stdout === 'served\n');
    assert.notEqual((await docker('run', '--rm', busybox, ...wget(address))).code, 0);
    const options = await docker.ok('network', 'inspect', '--format={{json .Options}}', 'bridge');
    assert.match(options, /"com\.docker\.network\.bridge\.enable_icc":"false"/);
  });
});

test('without a default network containers have none, and user-defined ones are as everywhere', {
  skip: needsRoot() || (isOracle() && 'the words are those of Gantry'),
}, async () => {
  await using engine = await startEngine({ flags: ['--bridge=none'] });
  await engine.load('busybox');
  assert.equal((await engine.dockerOk(['run', '--rm', busybox, 'ls', '/sys/class/net'])).trim(), 'lo');
  await engine.dockerOk(['network', 'create', 'own']);
  const shown = await engine.dockerOk(['run', '--rm', '--network=own', busybox, 'ip', '-o', '-4', 'address']);
  assert.match(shown, /eth0\s+inet 172\.17\.0\.2\/16/);
});
