/** `-p` in all its forms by the stock client: what `docker port` and inspect show, what is refused, and what then carries. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { addNeighbour } from '../support/neighbour.ts';
import { enterNetwork } from '../support/name-tools.ts';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';
import { ask, servePorts, type Target } from './_reach.ts';
import { initArrives } from './_sctp.ts';

/** dockerd's proxy listens with it, whatever the firewall can do. */
const hasSctp = !isOracle() || /^SCTP /m.test(readFileSync('/proc/net/protocols', 'utf8'));

type Binding = { readonly HostIp: string; readonly HostPort: string };

/** A free port that the engine chose, in what is shown: one letter for each number, in the order of appearance. */
function lettered(text: string): string {
  const letters = new Map<string, string>();
  return text.replaceAll(/\b(3[2-9]\d{3}|[45]\d{4}|60\d{3})\b/g, (number) => {
    const letter = letters.get(number) ?? String.fromCodePoint(65 + letters.size);
    letters.set(number, letter);
    return letter;
  });
}

interface Form {
  /** `-p` each, but for words that begin with a dash. */
  readonly publish: readonly string[];
  /** The lines of `docker port`, `A`, `B` ... for free ports. */
  readonly shown: readonly string[];
  /** `HostConfig.PortBindings`. */
  readonly asked: Readonly<Record<string, readonly (readonly [hostIp: string, hostPort: string])[]>>;
}

const both = (port: string, hostPort: string | number): string[] =>
  ['0.0.0.0', '[::]'].map((address) => `${port} -> ${address}:${hostPort}`);

const forms: readonly Form[] = [
  { publish: ['8200:80'], shown: both('80/tcp', 8200), asked: { '80/tcp': [['', '8200']] } },
  { publish: ['8200:80/TCP'], shown: both('80/tcp', 8200), asked: { '80/tcp': [['', '8200']] } },
  { publish: ['80'], shown: both('80/tcp', 'A'), asked: { '80/tcp': [['', '']] } },
  { publish: ['0:80'], shown: both('80/tcp', 'A'), asked: { '80/tcp': [['', '0']] } },
  { publish: ['8200:53/udp'], shown: both('53/udp', 8200), asked: { '53/udp': [['', '8200']] } },
  {
    publish: ['8200:53', '8200:53/udp'],
    shown: [...both('53/tcp', 8200), ...both('53/udp', 8200)],
    asked: { '53/tcp': [['', '8200']], '53/udp': [['', '8200']] },
  },
  {
    publish: ['127.0.0.1:8200:80'],
    shown: ['80/tcp -> 127.0.0.1:8200'],
    asked: { '80/tcp': [['127.0.0.1', '8200']] },
  },
  { publish: ['0.0.0.0:8200:80'], shown: ['80/tcp -> 0.0.0.0:8200'], asked: { '80/tcp': [['0.0.0.0', '8200']] } },
  { publish: ['127.0.0.1::80'], shown: ['80/tcp -> 127.0.0.1:A'], asked: { '80/tcp': [['127.0.0.1', '']] } },
  { publish: ['[::1]:8200:80'], shown: ['80/tcp -> [::1]:8200'], asked: { '80/tcp': [['::1', '8200']] } },
  { publish: ['[::]:8200:80'], shown: ['80/tcp -> [::]:8200'], asked: { '80/tcp': [['::', '8200']] } },
  { publish: ['[::1]::80/udp'], shown: ['80/udp -> [::1]:A'], asked: { '80/udp': [['::1', '']] } },
  {
    publish: ['8200-8202:80-82'],
    shown: [...both('80/tcp', 8200), ...both('81/tcp', 8201), ...both('82/tcp', 8202)],
    asked: { '80/tcp': [['', '8200']], '81/tcp': [['', '8201']], '82/tcp': [['', '8202']] },
  },
  { publish: ['8200-8202:80'], shown: both('80/tcp', 8200), asked: { '80/tcp': [['', '8200-8202']] } },
  {
    publish: ['8200-8202:80', '8200:81'],
    shown: [...both('80/tcp', 8201), ...both('81/tcp', 8200)],
    asked: { '80/tcp': [['', '8200-8202']], '81/tcp': [['', '8200']] },
  },
  {
    publish: ['80-81'],
    shown: [...both('80/tcp', 'A'), ...both('81/tcp', 'B')],
    asked: { '80/tcp': [['', '']], '81/tcp': [['', '']] },
  },
  {
    publish: ['127.0.0.1:8200-8201:80-81/udp'],
    shown: ['80/udp -> 127.0.0.1:8200', '81/udp -> 127.0.0.1:8201'],
    asked: { '80/udp': [['127.0.0.1', '8200']], '81/udp': [['127.0.0.1', '8201']] },
  },
  {
    publish: ['127.0.0.1:8200-8201:80'],
    shown: ['80/tcp -> 127.0.0.1:8200'],
    asked: { '80/tcp': [['127.0.0.1', '8200-8201']] },
  },
  {
    publish: ['127.0.0.1::80-81'],
    shown: ['80/tcp -> 127.0.0.1:A', '81/tcp -> 127.0.0.1:B'],
    asked: { '80/tcp': [['127.0.0.1', '']], '81/tcp': [['127.0.0.1', '']] },
  },
  {
    publish: ['[::1]:8200-8201:80-81'],
    shown: ['80/tcp -> [::1]:8200', '81/tcp -> [::1]:8201'],
    asked: { '80/tcp': [['::1', '8200']], '81/tcp': [['::1', '8201']] },
  },
  {
    publish: ['127.0.0.1:8200:80', '127.0.0.2:8200:81'],
    shown: ['80/tcp -> 127.0.0.1:8200', '81/tcp -> 127.0.0.2:8200'],
    asked: { '80/tcp': [['127.0.0.1', '8200']], '81/tcp': [['127.0.0.2', '8200']] },
  },
  {
    publish: ['127.0.0.1:8200:80', '[::1]:8201:80'],
    shown: ['80/tcp -> 127.0.0.1:8200', '80/tcp -> [::1]:8201'],
    asked: {
      '80/tcp': [
        ['127.0.0.1', '8200'],
        ['::1', '8201'],
      ],
    },
  },
  {
    publish: ['--publish=published=8200,target=80,protocol=udp'],
    shown: both('80/udp', 8200),
    asked: { '80/udp': [['', '8200']] },
  },
  {
    publish: ['-P', '--expose=80', '--expose=90-91/udp'],
    shown: [...both('80/tcp', 'A'), ...both('90/udp', 'B'), ...both('91/udp', 'C')],
    asked: {},
  },
  {
    publish: ['-P', '--expose=80', '8200:81'],
    shown: [...both('80/tcp', 'A'), ...both('81/tcp', 8200)],
    asked: { '81/tcp': [['', '8200']] },
  },
];

const flags = (publish: readonly string[]): string[] =>
  publish.flatMap((word) => (word.startsWith('-') ? [word] : ['-p', word]));

engineSuite('all forms of -p', {}, (engine) => {
  const docker = dockerOf(engine);
  const sleeper = (name: string, ...options: string[]) =>
    docker.ok('run', '-d', `--name=${name}`, ...options, busybox, 'sleep', '1000');
  const field = async <T>(name: string, template: string): Promise<T> =>
    JSON.parse(await docker.field(name, `{{json ${template}}}`)) as T;

  test('docker port and inspect show what was asked for and what came of it', async () => {
    for (const { publish, shown, asked } of forms) {
      const what = publish.join(' ');
      await sleeper('web', ...flags(publish));
      const lines = (await docker.ok('port', 'web')).split('\n');
      assert.deepEqual(lettered(lines.toSorted().join('\n')).split('\n'), shown, what);
      const bindings = await field<Record<string, Binding[]>>('web', '.HostConfig.PortBindings');
      assert.deepEqual(
        Object.fromEntries(
          Object.entries(bindings).map(([port, list]) => [port, list.map((one) => [one.HostIp, one.HostPort])]),
        ),
        asked,
        what,
      );
      const ports = await field<Record<string, Binding[] | null>>('web', '.NetworkSettings.Ports');
      const seen = Object.entries(ports).flatMap(([port, list]) =>
        (list ?? []).map(
          ({ HostIp, HostPort }) => `${port} -> ${HostIp.includes(':') ? `[${HostIp}]` : HostIp}:${HostPort}`,
        ),
      );
      assert.deepEqual(seen.toSorted(), lines.toSorted(), what);
      await docker.ok('rm', '-f', 'web');
    }
  });

  test('docker port of one port, of a part of its protocols, and of none', async () => {
    await sleeper('web', '-p', '127.0.0.1:8200:80', '-p', '127.0.0.1:8201:80/udp', '--expose=90');
    assert.equal(await docker.ok('port', 'web', '80'), '127.0.0.1:8200');
    assert.equal(await docker.ok('port', 'web', '80/udp'), '127.0.0.1:8201');
    for (const port of ['81', '80/sctp', '90']) {
      const { code, stderr } = await docker('port', 'web', port);
      assert.equal(code, 1, port);
      assert.match(stderr, /no public port '\S+' published for web/i);
    }
    const invalid = await docker('port', 'web', 'x');
    assert.equal(invalid.code, 1);
    await docker.ok('stop', '-t0', 'web');
    assert.equal(await docker.ok('port', 'web'), '');
  });

  test('malformed ones are refused with 125, and nothing is made', async () => {
    for (const [word, says] of [
      ['', /no port specified: <empty>/],
      ['x', /invalid containerPort: x/],
      ['8200:x', /invalid containerPort: x/],
      ['8200:', /no port specified: 8200:<empty>/],
      ['x:80', /invalid hostPort: x/],
      ['70000:80', /invalid hostPort: 70000/],
      ['8200:70000', /invalid containerPort: 70000/],
      ['-1:80', /invalid hostPort: -1/],
      ['8200:80/http', /invalid proto: http/],
      ['8202-8200:80', /invalid hostPort: 8202-8200/],
      ['8200-8201:80-82', /invalid ranges specified for container and host Ports: 80-82 and 8200-8201/],
      ['8200:80-82', /invalid ranges specified for container and host Ports: 80-82 and 8200/],
      ['1.2.3:8200:80', /invalid IP address: 1\.2\.3/],
      ['host:8200:80', /invalid IP address: host/],
      ['[::1:8200:80', /invalid IP address: |invalid ip address/i],
      ['127.0.0.1/8:8200:80', /invalid IP address: 127\.0\.0\.1\/8/],
    ] as const) {
      const { code, stderr } = await docker('run', '-d', '-p', word, busybox, 'true');
      assert.equal(code, 125, `${word}: ${stderr}`);
      assert.match(stderr, says, word);
    }
    assert.equal(await docker.ok('ps', '-aq'), '');
  });

  test('the API refuses malformed bindings, too', async () => {
    // dockerd finds an unknown protocol at the start only.
    const protocol = isOracle() ? [] : [['80/http', '', '8200'] as const];
    for (const [port, HostIp, HostPort] of [
      ...protocol,
      ['x/tcp', '', '8200'],
      ['70000/tcp', '', '8200'],
      ['80/tcp', '', '70000'],
      ['80/tcp', '', 'x'],
      ['80/tcp', '', '8202-8200'],
    ] as const) {
      const body = { Image: busybox, HostConfig: { PortBindings: { [port]: [{ HostIp, HostPort }] } } };
      const { status, text } = await engine().api('POST', '/containers/create', body);
      assert.equal(status, 400, `${port} ${HostPort}: ${text}`);
      assert.match(text, /invalid/, port);
    }
    assert.equal(await docker.ok('ps', '-aq'), '');
  });

  test('conflicts: a port of another container, the same one twice, a listener of the host, no address of the host', async () => {
    await sleeper('first', '-p', '8200-8201:80-81', '-p', '127.0.0.1:8202:82');
    await using _ = await servePorts(engine().namespaces.pid, 8204);
    const rules = async () => (await engine().inside(['sh', '-c', 'nft list ruleset | grep -c 820'])).stdout.trim();
    const before = await rules();
    const taken = (place: string) => `Bind for ${place} failed: port is already allocated`;
    const bind = (place: string, why: string) => `failed to bind host port for ${place}:ADDRESS:${why}`;
    const [inUse, notHere] = ['address already in use', 'cannot assign requested address'];
    const refused: (readonly [publish: readonly string[], says: string])[] = [
      [['8200:80'], taken('0.0.0.0:8200')],
      [['127.0.0.1:8200:80'], taken('0.0.0.0:8200')],
      [['[::1]:8200:80'], taken(':::8200')],
      [['8202:80'], taken('127.0.0.1:8202')],
      [['8203:80', '8200:81'], taken('0.0.0.0:8200')],
      [['8203:80', '8203:81'], taken('0.0.0.0:8203')],
      [['8200-8201:80'], 'all ports are allocated'],
      [['8204:80'], bind('0.0.0.0:8204', `80/tcp: ${inUse}`)],
      [['8204:80/udp'], bind('0.0.0.0:8204', `80/udp: ${inUse}`)],
      [['203.0.113.9:8203:80'], bind('203.0.113.9:8203', `80/tcp: ${notHere}`)],
    ];
    const said: unknown[] = [];
    for (const [publish] of refused) {
      const what = publish.join(' ');
      const { code, stderr } = await docker('run', '-d', '--name=second', ...flags(publish), busybox, 'sleep', '1000');
      assert.equal(code, 125, `${what}: ${stderr}`);
      const reason = /^docker: Error response from daemon: .*?((?:Bind for|failed to bind|all ports) .*)$/m.exec(
        stderr,
      )?.[1];
      said.push([
        publish,
        reason?.replace(/^Bind for \S+ failed: (?=all ports)/, '').replace(/172\.\d+\.0\.\d+/, 'ADDRESS') ?? stderr,
      ]);
      assert.equal(await docker.field('second', '{{.State.Status}}'), 'created', what);
      assert.equal(await docker.ok('port', 'second'), '', what);
      assert.equal(await rules(), before, `${what}: nothing has changed`);
      await docker.ok('rm', 'second');
    }
    assert.deepEqual(said, refused);
    // What is free beside them can be had: another address, another protocol, the next port of a range.
    await sleeper('second', '-p', '127.0.0.2:8202:80', '-p', '8200:80/udp', '-p', '8200-8203:81');
    assert.match(await docker.ok('port', 'second', '81'), /^0\.0\.0\.0:8203$/m);
  });

  test('they carry what comes from outside, from localhost and from ::1', async () => {
    await using neighbour = await addNeighbour(engine());
    const udp = ['8204:80/udp', '8205-8206:81-82/udp'];
    const publish = ['8200:80', '8201-8202:81-82', '127.0.0.1:8203:83', `${neighbour.hostAddress}:8207:80`, ...udp];
    await sleeper('web', ...flags([...publish, '[::1]:8208:80']));
    await using _ = await servePorts(Number(await docker.field('web', '{{.State.Pid}}')), 80, 81, 82, 83);
    const tcp = (host: string, ...ports: number[]): Target[] => ports.map((port) => ({ host, port }));
    const datagrams = (host: string, ...ports: number[]): Target[] => ports.map((port) => ({ host, port, udp: true }));
    const at = neighbour.hostAddress;
    const outside = await ask(
      (command) => neighbour.run(...command),
      [...tcp(at, 8200, 8201, 8202, 8203, 8207, 8208, 8209), ...datagrams(at, 8204, 8205, 8206, 8207)],
    );
    const me = neighbour.address;
    assert.deepEqual(outside, [me, me, me, '', me, '', '', me, me, me, '']);
    const local = await ask(
      (command) => engine().inside(command),
      [
        ...tcp('127.0.0.1', 8200, 8201, 8202, 8203, 8207),
        ...datagrams('127.0.0.1', 8204, 8205, 8206),
        ...tcp('::1', 8200, 8202, 8208, 8203),
        ...datagrams('::1', 8204),
      ],
    );
    const yes = true;
    assert.deepEqual(local.map(Boolean), [yes, yes, yes, yes, false, yes, yes, yes, yes, yes, yes, false, yes]);
  });

  const noSctp = !hasSctp && 'dockerd needs a kernel with sctp';
  test('sctp: the first packet of an association arrives, rewritten', { skip: noSctp }, async () => {
    await using neighbour = await addNeighbour(engine());
    await sleeper('web', '-p', '8200:9000/sctp');
    const pid = await docker.field('web', '{{.State.Pid}}');
    const address = await docker.field('web', '{{.NetworkSettings.Networks.bridge.IPAddress}}');
    assert.match(
      await docker.ok('port', 'web'),
      isOracle() ? /^9000\/sctp -> 0\.0\.0\.0:8200$/m : /^9000\/sctp -> 0\.0\.0\.0:8200$/,
    );
    const arrived = await initArrives({
      outside: (command) => neighbour.enter(command),
      inside: (command) => enterNetwork(pid, command),
      to: { host: neighbour.hostAddress, port: 8200 },
    });
    assert.deepEqual(arrived, { from: neighbour.address, to: address, port: 9000, valid: true });
  });
});
