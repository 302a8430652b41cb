/** User-defined networks: made, shown, refused, removed; and who reaches whom. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

interface Inspected {
  readonly Name: string;
  readonly Id: string;
  readonly Driver: string;
  readonly EnableIPv4: boolean;
  readonly EnableIPv6: boolean;
  readonly Internal: boolean;
  readonly IPAM: { readonly Config: readonly { readonly Subnet: string; readonly Gateway?: string }[] | null };
  readonly Containers: Readonly<Record<string, { readonly Name: string; readonly IPv4Address: string }>>;
  readonly Options: Readonly<Record<string, string>>;
  readonly Labels: Readonly<Record<string, string>>;
}

engineSuite('user-defined networks', {}, (engine) => {
  const docker = dockerOf(engine);
  const create = (body: object) => engine().api('POST', '/networks/create', body);
  const inspect = async (name: string) => (await engine().api('GET', `/networks/${name}`)).json<Inspected>();
  const refused = async (body: object, status: number | readonly number[], says: RegExp) => {
    const answer = await create({ Name: 'refused', ...body });
    assert.ok([status].flat().includes(answer.status), `${JSON.stringify(body)}: ${answer.status} ${answer.text}`);
    assert.match(answer.json<{ message: string }>().message, says);
    assert.equal((await engine().api('GET', '/networks/refused')).status, 404, 'nothing is left');
  };
  const links = async () => (await engine().inside(['ip', '-o', 'link'])).stdout;

  test('a network has a subnet of its own, a bridge and events', async () => {
    const { status, ...made } = await create({ Name: 'mine', Labels: { a: 'b' } });
    assert.equal(status, 201);
    const { Id: id, Warning: warning } = made.json<{ Id: string; Warning: string }>();
    assert.equal(warning, '');
    const mine = await inspect('mine');
    assert.deepEqual(
      [mine.Id, mine.Driver, mine.EnableIPv4, mine.EnableIPv6, mine.Internal, mine.Labels, mine.Options],
      [id, 'bridge', true, false, false, { a: 'b' }, {}],
    );
    const [pool] = mine.IPAM.Config ?? [];
    assert.match(pool?.Subnet ?? '', /^(172|192)\.\d+\.\d+\.0\/(16|20)$/);
    assert.equal(pool?.Gateway, pool?.Subnet.replace(/0\/\d+$/, '1'));
    assert.match((await engine().inside(['ip', '-o', 'address'])).stdout, new RegExp(`inet ${pool?.Gateway}/`));
    const again = await create({ Name: 'mine' });
    assert.deepEqual(
      [again.status, again.json<{ message: string }>().message],
      [409, 'network with name mine already exists'],
    );
    await docker.ok('network', 'rm', id.slice(0, 12));
    assert.equal((await engine().api('GET', `/networks/${id}`)).status, 404);
    assert.doesNotMatch((await engine().inside(['ip', '-o', 'address'])).stdout, new RegExp(`inet ${pool?.Gateway}/`));
    const events = await docker.ok(
      'events',
      '--since=1m',
      `--until=${(Date.now() / 1000).toFixed(6)}`,
      '--filter=type=network',
      `--filter=network=${id}`,
    );
    assert.deepEqual(
      events.split('\n').map((line) => line.replace(/^\S+ /, '').replace(id, 'ID')),
      ['network create ID (name=mine, type=bridge)', 'network destroy ID (name=mine, type=bridge)'],
    );
  });

  test('what cannot be is refused, and says why', async () => {
    await refused({ Name: '' }, 400, /^invalid name: name is empty$/);
    for (const name of ['bridge', 'host', 'none', 'default']) {
      const { status, text } = await create({ Name: name });
      assert.equal(status, 403);
      assert.match(text, new RegExp(`operation is not permitted on predefined ${name} network`));
    }
    await refused({ Driver: 'nodriver' }, 404, /^plugin "nodriver" not found$/);
    await refused({ Driver: 'overlay' }, 403, /This node is not a swarm manager/);
    await refused({ Driver: 'host' }, 403, /^only one instance of "host" network is allowed$/);
    await refused({ Scope: 'swarm' }, 403, /^cannot create a swarm scoped network when swarm is not active$/);
    await refused({ Ingress: true }, 403, /^Ingress network can only be global scope network$/);
    await refused({ IPAM: { Driver: 'nodriver' } }, 404, /^plugin "nodriver" not found$/);
    await refused({ EnableIPv4: false }, 400, /^IPv4 or IPv6 must be enabled$/);
    await refused({ ConfigFrom: { Network: 'nothing' } }, 404, /^configuration network "nothing" does not exist$/);
  });

  test('addresses that contradict themselves or others are refused', async () => {
    const bad = (config: object, says: string, more: object = {}) =>
      refused({ IPAM: { Config: [config] }, ...more }, 400, new RegExp(`^invalid network config:\n${says}$`));
    await bad({ Subnet: 'foo' }, 'invalid subnet foo: invalid CIDR block notation');
    await bad({ Subnet: '10.1.0.5/16' }, 'invalid subnet 10.1.0.5/16: it should be 10.1.0.0/16');
    await bad({ Subnet: '10.1.0.0/33' }, 'invalid subnet 10.1.0.0/33: invalid CIDR block notation');
    await bad({ Gateway: '10.1.0.1' }, 'invalid subnet : invalid CIDR block notation');
    const subnet = { Subnet: '10.1.0.0/16' };
    const outside = "parent subnet 10.1.0.0/16 doesn't contain";
    await bad({ ...subnet, Gateway: '10.2.0.1' }, `invalid gateway 10.2.0.1: ${outside} this address`);
    await bad({ ...subnet, Gateway: 'bar' }, 'invalid gateway bar: invalid address');
    await bad({ ...subnet, IPRange: '10.2.1.0/24' }, `invalid ip-range 10.2.1.0/24: ${outside} ip-range`);
    await bad({ ...subnet, IPRange: '10.1.1.5/24' }, 'invalid ip-range 10.1.1.5/24: it should be 10.1.1.0/24');
    await bad({ ...subnet, IPRange: 'fd00::/64' }, 'invalid ip-range fd00::/64: parent subnet is an IPv4 block');
    await bad(
      { ...subnet, IPRange: '10.1.0.0/8' },
      String.raw`\* invalid ip-range 10.1.0.0/8: CIDR block is bigger than its parent subnet 10.1.0.0/16` +
        String.raw`\n\* invalid ip-range 10.1.0.0/8: it should be 10.0.0.0/8`,
    );
    await bad(
      { ...subnet, AuxiliaryAddresses: { a: '10.3.0.1' } },
      `invalid auxiliary address a: ${outside} this address`,
    );
    await bad({ Subnet: 'fd00:2::1/64' }, 'invalid subnet fd00:2::1/64: it should be fd00:2::/64', {
      EnableIPv6: true,
    });
    const overlap = /^invalid pool request: Pool overlaps with other one on this address space$/;
    const pool = (...subnets: string[]) => ({ IPAM: { Config: subnets.map((Subnet) => ({ Subnet })) } });
    await docker.ok('network', 'create', '--subnet=10.40.0.0/16', 'first');
    await refused(pool('10.40.0.0/16'), 403, overlap);
    await refused(pool('10.40.7.0/24'), 403, overlap);
    await refused(pool('10.0.0.0/8'), 403, overlap);
    await refused(pool('10.41.0.0/16', '10.41.0.0/16'), 403, overlap);
    await refused(pool('10.42.0.0/16', '10.43.0.0/16'), 403, /^bridge driver doesn't support multiple subnets$/);
    await refused({ ...pool('ff02::/64'), EnableIPv6: true }, 400, /^multicast subnet 'ff02::1?\/64' is not allowed$/);
    const taken = { Subnet: '10.44.0.0/16', Gateway: '10.44.0.1', AuxiliaryAddresses: { a: '10.44.0.1' } };
    const already = /^failed to allocate secondary ip address \(a:10\.44\.0\.1\): Address already in use$/;
    await refused({ IPAM: { Config: [taken] } }, [400, 500], already);
  });

  test('options are read strictly', async () => {
    const bridge = 'com.docker.network.bridge.';
    const option = (name: string, value: string, says: RegExp, status: number | readonly number[] = 400) =>
      refused({ Options: { [name]: value } }, status, says);
    await option(`${bridge}enable_icc`, 'maybe', /^failed to parse \S+enable_icc value: maybe \(strconv\.ParseBool/);
    await option(`${bridge}gateway_mode_ipv4`, 'no', /^failed to parse \S+ value: no \(unknown gateway mode no\)$/);
    await option(`${bridge}host_binding_ipv4`, 'x', /^failed to parse \S+ value: x \(nil ip\)$/);
    await option('com.docker.network.driver.mtu', 'abc', /^failed to parse \S+ value: abc \(strconv\.Atoi/);
    await option('com.docker.network.driver.mtu', '-1', /^invalid MTU number: -1/);
    await option('com.docker.network.enable_ipv6', 'x', /^driver-opt "\S+" is not a valid bool$/);
    const isolated = /^gateway mode 'isolated' can only be used for an internal network$/;
    await option(`${bridge}gateway_mode_ipv4`, 'isolated', isolated, [400, 500]);
    await option(`${bridge}name`, 'lo', /^existing interface lo is not a bridge$/, [409, 500]);
    await option(`${bridge}name`, 'a/b', /./, [400, 500]);
    await option(`${bridge}name`, 'a-name-of-more-than-15', /./, [400, 500]);
    if (isOracle()) return;
    await option('no.such.option', '1', /^unknown option "no\.such\.option" for the bridge driver/);
  });

  test('list, filters and prune', async () => {
    await docker.ok('network', 'create', '--label=team=a', 'one');
    await docker.ok('network', 'create', '--label=team=b', '--internal', 'two');
    await docker.ok('run', '-d', '--name=user', '--network=two', busybox, 'sleep', '1000');
    const names = async (...filters: string[]) =>
      (await docker.ok('network', 'ls', '--format={{.Name}}', ...filters.map((one) => `--filter=${one}`)))
        .split('\n')
        .filter((name) => name !== '')
        .toSorted();
    assert.deepEqual(await names(), ['bridge', 'host', 'none', 'one', 'two']);
    assert.deepEqual(await names('type=custom'), ['one', 'two']);
    assert.deepEqual(await names('driver=bridge'), ['bridge', 'one', 'two']);
    assert.deepEqual(await names('label=team'), ['one', 'two']);
    assert.deepEqual(await names('label=team=a'), ['one']);
    // dockerd 28 overlooks the containers here.
    if (!isOracle()) assert.deepEqual(await names('dangling=true'), ['one']);
    assert.deepEqual(await names('name=tw'), ['two']);
    assert.deepEqual(await names('scope=swarm'), []);
    for (const [path, says] of [
      ['/networks?filters={"x":["y"]}', /invalid filter 'x'/],
      ['/networks?filters={"dangling":["y"]}', /invalid value for filter 'dangling', must be/],
      ['/networks?filters={"type":["y"]}', /invalid filter: 'type'='y'/],
    ] as const) {
      assert.match((await engine().api('GET', encodeURI(path))).text, says);
    }
    const prune = async (filters: object) =>
      engine().api('POST', `/networks/prune?filters=${encodeURIComponent(JSON.stringify(filters))}`);
    assert.match((await prune({ until: ['1h', '2h'] })).text, /more than one until filter specified/);
    assert.equal((await prune({ until: ['10m'] })).text.trim(), '{"NetworksDeleted":null}');
    assert.equal((await prune({ label: ['team=b'] })).text.trim(), '{"NetworksDeleted":null}');
    assert.match(await docker.ok('network', 'prune', '-f'), /^Deleted Networks:\none$/m);
    assert.deepEqual(await names('type=custom'), ['two']);
    const busy = await docker('network', 'rm', 'two');
    assert.equal(busy.code, 1);
    assert.match(
      busy.stderr,
      /error while removing network: network two has active endpoints \(name:\\?"user\\?" id:\\?"[0-9a-f]{12}\\?"\)/,
    );
    await docker.ok('rm', '-f', 'user');
    await docker.ok('network', 'rm', 'two');
  });

  test('configuration networks', async () => {
    await docker.ok('network', 'create', '--config-only', '--subnet=10.77.0.0/24', '--label=a=b', 'conf');
    await docker.ok('network', 'create', '--config-from=conf', 'from');
    const from = await inspect('from');
    assert.deepEqual([from.IPAM.Config?.[0]?.Subnet, from.Labels], ['10.77.0.0/24', { a: 'b' }]);
    const conf = await inspect('conf');
    assert.deepEqual([conf.Driver, conf.IPAM.Config], ['null', [{ Subnet: '10.77.0.0/24' }]]);
    const used = await docker('network', 'rm', 'conf');
    assert.match(used.stderr, /configuration network "conf" is in use/);
    await refused({ ConfigFrom: { Network: 'conf' }, Options: { a: 'b' } }, 403, /^network driver options are not/);
    await refused(
      { ConfigOnly: true, Internal: true },
      403,
      /^configuration network can only contain network specific/,
    );
    const start = await docker('run', '--rm', '--network=conf', busybox, 'true');
    assert.match(start.stderr, /cannot create endpoint on configuration-only network/);
    await docker.ok('network', 'rm', 'from');
    await docker.ok('network', 'rm', 'conf');
  });

  const server = ['sh', '-c', 'echo served > /index.html; exec httpd -f -h /'];
  const wget = (host: string) => ['sh', '-c', `timeout 2 busybox wget -q -O - http://${host}/; exit $?`];
  const addressOf = (name: string, network: string) =>
    docker.field(name, `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`);

  test('containers of one network reach each other, not those of another, which publishes its ports', async () => {
    await docker.ok('network', 'create', 'left');
    await docker.ok('network', 'create', 'right');
    await docker.ok('run', '-d', '--name=web', '--network=left', '-p', '8090:80', busybox, ...server);
    const address = await addressOf('web', 'left');
    const gateway = (await inspect('right')).IPAM.Config?.[0]?.Gateway ?? '';
    const from = (network: string, host: string) =>
      docker('run', '--rm', `--network=${network}`, busybox, ...wget(host));
    await eventually('it serves', async () => (await from('left', address)).stdout === 'served\n');
    assert.notEqual((await from('right', address)).code, 0);
    assert.notEqual((await from('bridge', address)).code, 0);
    assert.equal((await from('right', `${gateway}:8090`)).stdout, 'served\n');
    assert.equal((await engine().inside(wget('127.0.0.1:8090'))).stdout, 'served\n');
  });

  test('an internal network has no way in or out, also for who makes himself a route', async () => {
    await docker.ok('network', 'create', 'open');
    await docker.ok('network', 'create', '--internal', 'closed');
    const { Gateway: gateway = '' } = (await inspect('closed')).IPAM.Config?.[0] ?? {};
    await docker.ok('run', '-d', '--name=web', '--network=open', '-p', '8091:80', busybox, ...server);
    await docker.ok(
      'run',
      '-d',
      '--name=inner',
      '--network=closed',
      '--cap-add=NET_ADMIN',
      '-p',
      '8092:80',
      busybox,
      ...server,
    );
    const web = await addressOf('web', 'open');
    const inner = await addressOf('inner', 'closed');
    await eventually('it serves', async () => (await docker('exec', 'web', ...wget(web))).stdout === 'served\n');
    assert.doesNotMatch(await docker.ok('exec', 'inner', 'ip', 'route'), /default/);
    assert.equal((await docker('run', '--rm', '--network=closed', busybox, ...wget(inner))).stdout, 'served\n');
    await docker.ok('exec', 'inner', 'ip', 'route', 'add', 'default', 'via', gateway);
    for (const target of [web, `${gateway}:8091`]) {
      assert.notEqual((await docker('exec', 'inner', ...wget(target))).code, 0, target);
    }
    assert.notEqual((await docker('exec', 'web', ...wget(inner))).code, 0);
    assert.equal(await docker.field('inner', '{{json .NetworkSettings.Ports}}'), '{}');
    assert.notEqual((await engine().inside(wget('127.0.0.1:8092'))).code, 0);
  });

  test('containers that are kept apart', async () => {
    await docker.ok('network', 'create', '-o', 'com.docker.network.bridge.enable_icc=false', 'apart');
    // The bridge itself does it; Docker needs bridged packets to pass the firewall.
    const unfiltered = 'echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables';
    if (!isOracle()) await engine().inside(['sh', '-c', unfiltered]);
    await docker.ok('run', '-d', '--name=web', '--network=apart', '-p', '8093:80', busybox, ...server);
    const address = await addressOf('web', 'apart');
    await eventually('it serves', async () => (await engine().inside(wget('127.0.0.1:8093'))).stdout === 'served\n');
    assert.notEqual((await docker('run', '--rm', '--network=apart', busybox, ...wget(address))).code, 0);
    assert.equal((await engine().inside(wget(address))).stdout, 'served\n');
  });

  test('mtu, interface prefix, bridge name and address ranges', async () => {
    const options = ['com.docker.network.driver.mtu=1400', 'com.docker.network.container_iface_prefix=net'];
    await docker.ok(
      'network',
      'create',
      ...options.flatMap((option) => ['-o', option]),
      '-o',
      'com.docker.network.bridge.name=mybridge',
      '--subnet=10.51.0.0/24',
      '--ip-range=10.51.0.128/25',
      '--gateway=10.51.0.7',
      '--aux-address=router=10.51.0.128',
      'special',
    );
    assert.match(await links(), / mybridge: .* mtu 1400 /);
    const shown = await docker.ok(
      'run',
      '--rm',
      '--network=special',
      busybox,
      'sh',
      '-c',
      'ip -o -4 address; ip link; ip route',
    );
    assert.match(shown, /net0\s+inet 10\.51\.0\.129\/24/);
    assert.match(shown, /net0@\S+ .*mtu 1400/);
    assert.match(shown, /default via 10\.51\.0\.7 dev net0/);
    const conflict = await create({ Name: 'other', Options: { 'com.docker.network.bridge.name': 'mybridge' } });
    assert.equal(conflict.status, 403);
    assert.match(conflict.text, /networks have same bridge name/);
    await docker.ok('network', 'rm', 'special');
    assert.doesNotMatch(await links(), /mybridge/);
  });

  test('addresses run out, and come back', async () => {
    await docker.ok('network', 'create', '--subnet=10.52.0.0/30', 'tiny');
    const first = await docker.ok('run', '-d', '--network=tiny', busybox, 'sleep', '1000');
    const second = await docker('run', '--rm', '--network=tiny', busybox, 'true');
    assert.equal(second.code, 125);
    assert.match(second.stderr, /no available IPv4 addresses on this network's address pools: /);
    await docker.ok('rm', '-f', first);
    await eventually(
      'the address is free',
      async () => (await docker('run', '--rm', '--network=tiny', busybox, 'true')).code === 0,
    );
  });

  test('networks, and who is on them, outlive the engine', async () => {
    await docker.ok('network', 'create', '--subnet=10.53.0.0/24', 'lasting');
    await docker.ok('network', 'create', '--internal', 'inner');
    await docker.ok(
      'run',
      '-d',
      '--name=web',
      '--network=lasting',
      '--restart=always',
      '-p',
      '8094:80',
      busybox,
      ...server,
    );
    const before = { lasting: await inspect('lasting'), inner: await inspect('inner') };
    await engine().stop('SIGKILL');
    await engine().start();
    await docker.becomes('web', '{{.State.Running}}', 'true');
    const after = { lasting: await inspect('lasting'), inner: await inspect('inner') };
    if (!isOracle()) assert.deepEqual(after, before);
    await eventually('it serves', async () => (await engine().inside(wget('127.0.0.1:8094'))).stdout === 'served\n');
    const next = await docker.ok('run', '--rm', '--network=lasting', busybox, 'hostname', '-i');
    assert.notEqual(next, await addressOf('web', 'lasting'));
  });
});
