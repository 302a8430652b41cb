/** Every network command of the stock client with every flag, each seen to do something; the last test counts them. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

engineSuite('the network commands of the stock client', {}, (engine) => {
  const client = dockerOf(engine);
  const used = new Map<string, Set<string>>();
  const note = (args: readonly string[]): void => {
    const [command = '', ...rest] = args;
    const flags = rest.flatMap((arg) => /^--?([a-z0-9-]+)/.exec(arg)?.[1] ?? []);
    const seen = used.get(command) ?? new Set();
    for (const flag of flags) seen.add(flag);
    used.set(command, seen);
  };
  /** `docker network ...` */
  const network = (...args: string[]): Promise<string> => (note(args), client.ok('network', ...args));
  const refused = async (says: RegExp, ...args: string[]): Promise<void> => {
    note(args);
    const { code, stderr } = await client('network', ...args);
    assert.notEqual(code, 0, args.join(' '));
    assert.match(stderr, says);
  };
  const show = async <T>(name: string, template: string): Promise<T> =>
    JSON.parse(await client.ok('network', 'inspect', '--format', `{{json ${template}}}`, name)) as T;
  const sleeper = (...flags: string[]) => client.ok('run', '-d', ...flags, busybox, 'sleep', '1000');
  const endpoint = async (name: string, on: string) =>
    JSON.parse(await client.field(name, `{{json (index .NetworkSettings.Networks "${on}")}}`)) as Record<
      string,
      unknown
    >;

  test('create', async () => {
    const addresses = ['--subnet=10.77.0.0/16', '--ip-range=10.77.5.0/24', '--gateway=10.77.0.9'];
    const more = ['--aux-address=router=10.77.5.1', '--label=a=b', '-o', 'com.docker.network.driver.mtu=1400'];
    const ipam = ['--ipam-driver=default', '--ipam-opt=x=y', '--scope=local', '--driver=bridge', '-d', 'bridge'];
    const id = await network(
      'create',
      ...addresses,
      ...more,
      ...ipam,
      '--attachable',
      '--internal',
      '--opt=com.docker.network.bridge.enable_icc=false',
      'full',
    );
    assert.match(id, /^[0-9a-f]{64}$/);
    const full = await show<Record<string, unknown>>('full', '.');
    assert.deepEqual(full['IPAM'], {
      Driver: 'default',
      Options: { x: 'y' },
      Config: [
        {
          Subnet: '10.77.0.0/16',
          IPRange: '10.77.5.0/24',
          Gateway: '10.77.0.9',
          AuxiliaryAddresses: { router: '10.77.5.1' },
        },
      ],
    });
    assert.deepEqual(full['Options'], {
      'com.docker.network.driver.mtu': '1400',
      'com.docker.network.bridge.enable_icc': 'false',
    });
    assert.deepEqual(
      [full['Internal'], full['Attachable'], full['Labels'], full['Scope']],
      [true, true, { a: 'b' }, 'local'],
    );
    await network('create', '--ipv4=false', '--ipv6', 'six');
    assert.deepEqual([await show('six', '.EnableIPv4'), await show('six', '.EnableIPv6')], [false, true]);
    await network('create', '--config-only', '--label=of=config', '--subnet=10.78.0.0/24', 'config');
    await network('create', '--config-from=config', 'derived');
    assert.equal(await show('derived', '(index .IPAM.Config 0).Subnet'), '10.78.0.0/24');
    await refused(/Ingress network can only be global scope network/, 'create', '--ingress', 'mesh');
    await refused(/not active|swarm/, 'create', '--scope=swarm', 'far');
    await client.ok('network', 'rm', 'derived');
  });

  test('connect and disconnect', async () => {
    await client.ok('network', 'create', '--ipv6', '--subnet=10.79.0.0/24', '--subnet=fd00:79::/64', 'net');
    await sleeper('--name=other');
    await sleeper('--name=one');
    const places = ['--ip=10.79.0.50', '--ip6=fd00:79::50', '--link-local-ip=169.254.7.8'];
    const names = ['--alias=web', '--alias=www', '--link=other:friend'];
    const way = ['--gw-priority=7', '--driver-opt=com.docker.network.endpoint.ifname=net7'];
    await network('connect', ...places, ...names, ...way, 'net', 'one');
    const settings = await endpoint('one', 'net');
    assert.deepEqual(
      [
        settings['IPAddress'],
        settings['GlobalIPv6Address'],
        settings['Aliases'],
        settings['Links'],
        settings['GwPriority'],
      ],
      ['10.79.0.50', 'fd00:79::50', ['web', 'www'], ['other:friend'], 7],
    );
    const shown = await client.ok('exec', 'one', 'ip', '-o', 'address', 'show', 'net7');
    for (const address of ['10.79.0.50/24', 'fd00:79::50/64', '169.254.7.8/16'])
      assert.match(shown, new RegExp(address));
    assert.match(await client.ok('exec', 'one', 'ip', 'route'), /default via 10\.79\.0\.1 dev net7/);
    await network('disconnect', 'net', 'one');
    assert.equal(await endpoint('one', 'net'), null);
    await network('connect', 'net', 'one');
    await network('disconnect', '--force', 'net', 'one');
    assert.equal(await endpoint('one', 'net'), null);
    await network('connect', 'net', 'one');
    await network('disconnect', '-f', 'net', 'one');
  });

  test('ls', async () => {
    await client.ok('network', 'create', '--label=color=red', 'red');
    const id = await client.ok('network', 'create', 'blue');
    const list = (...args: string[]) => network('ls', ...args);
    assert.match(await list(), /^NETWORK ID\s+NAME\s+DRIVER\s+SCOPE\n[0-9a-f]{12}\s/);
    assert.equal(await list('--quiet', '--no-trunc', '--filter=name=blue'), id);
    assert.equal(await list('-q', '-f', 'name=blue'), id.slice(0, 12));
    assert.equal(await list('--format={{.Name}} {{.Label "color"}}', '--filter=label=color'), 'red red');
    assert.equal(await list('--filter=driver=null', '--format={{.Name}}'), 'none');
    const builtin = await list('--filter=type=builtin', '--format={{.Name}}');
    assert.equal(builtin, 'bridge\nhost\nnone');
    assert.equal(JSON.parse(await list('--format=json', '--filter=scope=local', '--filter=name=red')).Name, 'red');
    assert.equal(await list('--filter=dangling=true', '--format={{.Name}}'), 'blue\nred');
    assert.equal(await list('--filter', `id=${id.slice(0, 20)}`, '--format={{.Name}}'), 'blue');
    await refused(/invalid filter/, 'ls', '--filter=nothing=1');
  });

  test('inspect', async () => {
    await client.ok('network', 'create', 'seen');
    const id = await sleeper('--network=seen', '--name=member');
    assert.equal(await network('inspect', '--format={{.Name}} {{len .Containers}}', 'seen'), 'seen 1');
    const [whole] = JSON.parse(await network('inspect', '--verbose', 'seen')) as {
      Containers: Record<string, { Name: string }>;
    }[];
    assert.equal(whole?.Containers[id]?.Name, 'member');
    assert.equal(JSON.parse(await network('inspect', '-v', '-f', 'json', 'seen'))[0].Name, 'seen');
    await refused(/network nothing not found/, 'inspect', 'nothing');
  });

  test('rm and prune', async () => {
    for (const name of ['one', 'two', 'kept', 'used'])
      await client.ok('network', 'create', '--label', `is=${name}`, name);
    await sleeper('--network=used', '--name=user');
    assert.equal(await network('rm', 'one'), 'one');
    await refused(/network one not found/, 'rm', 'one');
    assert.equal(await network('rm', '--force', 'one', 'two'), 'two');
    assert.equal(await network('rm', '-f', 'nothing'), '');
    await refused(/has active endpoints/, 'rm', 'used');
    assert.equal(await network('prune', '--force', '--filter=until=1h'), '');
    assert.equal(await network('prune', '-f', '--filter', 'label=is=nothing'), '');
    assert.equal(await network('prune', '--force', '--filter=label!=is=nothing'), 'Deleted Networks:\nkept\n');
    assert.equal(await network('ls', '--filter=type=custom', '--format={{.Name}}'), 'used');
  });

  after(async () => {
    // What the client can say, and was not made to: nothing.
    for (const command of ['create', 'connect', 'disconnect', 'ls', 'inspect', 'rm', 'prune']) {
      const help = await client.ok('network', command, '--help');
      for (const [, short, long = ''] of help.matchAll(/^ {2,6}(?:-(\w), )?--([a-z0-9-]+)/gm)) {
        assert.ok(used.get(command)?.has(long), `network ${command} --${long}`);
        if (short !== undefined) assert.ok(used.get(command)?.has(short), `network ${command} -${short}`);
      }
    }
  });
});
