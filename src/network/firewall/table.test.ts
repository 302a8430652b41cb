import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderTable } from '../../sys/nftables/render.ts';
import type { Table } from '../../sys/nftables/ruleset.ts';
import { parseAddress, parsePrefix } from '../../base/address.ts';
import { type FirewallBridge, type FirewallSubnet, firewallTables } from './table.ts';

const expected = `table ip gantry {
	map published {
		type inet_proto . inet_service : ipv4_addr . inet_service
		elements = { tcp . 8080 : 172.17.0.2 . 80 }
	}

	map published_on {
		type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service
		elements = { udp . 127.0.0.1 . 5300 : 172.17.0.3 . 53 }
	}

	set direct {
		type inet_proto . ipv4_addr . inet_service
	}

	chain guard {
		type filter hook prerouting priority raw; policy accept;
		iifname "gantry0" ip daddr 127.0.0.0/8 drop comment "the host's loopback is out of the containers' reach"
	}

	chain published-in {
		type nat hook prerouting priority dstnat; policy accept;
		ip daddr 127.0.0.0/8 return comment "loopback addresses are not served to the outside"
		dnat ip to meta l4proto . ip daddr . th dport map @published_on comment "ports published on one address"
		fib daddr type local dnat ip to meta l4proto . th dport map @published comment "ports published on all addresses"
	}

	chain published-local {
		type nat hook output priority -100; policy accept;
		dnat ip to meta l4proto . ip daddr . th dport map @published_on comment "ports published on one address"
		fib daddr type local dnat ip to meta l4proto . th dport map @published comment "ports published on all addresses"
	}

	chain outgoing {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr 172.17.0.0/16 oifname != "gantry0" masquerade comment "containers reach the outside"
		ip saddr 172.17.0.0/16 oifname "gantry0" ct status dnat masquerade comment "containers reach published ports of their own network"
		ip saddr 127.0.0.0/8 oifname "gantry0" masquerade comment "localhost reaches published ports"
	}

	chain isolate {
		type filter hook forward priority filter; policy accept;
		oifname "gantry0" ct state established,related accept comment "answers"
		oifname "gantry0" ct status dnat accept comment "published ports"
		iifname "gantry0" oifname "gantry0" accept comment "containers of the same network"
		oifname "gantry0" drop comment "everything else stays out"
	}
}
`;

const prefix = (text: string) => parsePrefix(text) ?? assert.fail(text);
const target = (text: string) => parseAddress(text) ?? assert.fail(text);
const subnet = (text: string, mode: FirewallSubnet['mode'] = 'nat'): FirewallSubnet => ({
  prefix: prefix(text),
  mode,
  masquerade: true,
});
const bridge = (name: string, subnets: readonly FirewallSubnet[], more: Partial<FirewallBridge> = {}) => ({
  name,
  subnets,
  internal: false,
  talking: true,
  trusted: [],
  ...more,
});
const only = (tables: readonly Table[]): Table => (tables.length === 1 ? tables[0] : undefined) ?? assert.fail();

test('the whole firewall of a bridge with two published ports', () => {
  const tables = firewallTables(
    'gantry',
    [bridge('gantry0', [subnet('172.17.0.0/16')])],
    [
      { port: 80, protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080, target: target('172.17.0.2'), direct: false },
      { port: 53, protocol: 'udp', hostIp: '127.0.0.1', hostPort: 5300, target: target('172.17.0.3'), direct: false },
      { port: 53, protocol: 'udp', hostIp: '::1', hostPort: 5300, target: target('172.17.0.3'), direct: false },
    ],
  );
  assert.equal(renderTable(only(tables)), expected);
});

const rulesOf = (bridges: readonly FirewallBridge[], chain: string, family: 4 | 6 = 4): string[] => {
  const table = firewallTables('t', bridges, []).find((one) => one.family === family) ?? assert.fail();
  const text = renderTable({ ...table, maps: [], chains: table.chains.filter(({ name }) => name === chain) });
  return text
    .split('\n')
    .slice(3, -3)
    .map((line) => line.trim().replace(/ comment .*/, ''));
};

test('what belongs to an internal network is decided before anything is let through', () => {
  const bridges = [bridge('out', [subnet('10.1.0.0/24')]), bridge('in', [subnet('10.2.0.0/24')], { internal: true })];
  assert.deepEqual(rulesOf(bridges, 'isolate'), [
    'iifname "in" oifname != "in" drop',
    'iifname != "in" oifname "in" drop',
    'iifname "in" oifname "in" accept',
    'oifname "out" ct state established,related accept',
    'oifname "out" ct status dnat accept',
    'iifname "out" oifname "out" accept',
    'oifname "out" drop',
  ]);
  assert.ok(!rulesOf(bridges, 'outgoing').some((rule) => rule.includes('10.2.0.0')));
});

test('routed, open and trusted networks, and containers that are kept apart', () => {
  const direct = 'meta l4proto . ip daddr . th dport @direct';
  const routed = bridge('b', [subnet('10.1.0.0/24', 'routed')], { talking: false });
  assert.deepEqual(rulesOf([routed], 'isolate').slice(2), [
    'oifname "b" meta l4proto icmp accept',
    `oifname "b" ${direct} accept`,
    'iifname "b" oifname "b" drop',
    'oifname "b" drop',
  ]);
  assert.ok(!rulesOf([routed], 'outgoing').includes('ip saddr 10.1.0.0/24 oifname != "b" masquerade'));
  const open = bridge('b', [subnet('10.1.0.0/24', 'open')], { trusted: ['lan0'] });
  assert.deepEqual(rulesOf([open], 'isolate').slice(2), [
    `iifname "lan0" oifname "b" ${direct} accept`,
    'iifname "b" oifname "b" accept',
    'oifname "b" accept',
  ]);
});

test('the address that packets to the outside get', () => {
  const own = { ...subnet('10.1.0.0/24'), hostAddress: target('192.0.2.1') };
  assert.equal(rulesOf([bridge('b', [own])], 'outgoing')[0], 'ip saddr 10.1.0.0/24 oifname != "b" snat to 192.0.2.1');
});

test('IPv6 has a table of its own as soon as a network has it', () => {
  const six = bridge('b', [subnet('fd00:1::/64')]);
  assert.deepEqual(rulesOf([six], 'outgoing', 6), [
    'ip6 saddr fd00:1::/64 oifname != "b" masquerade',
    'ip6 saddr fd00:1::/64 oifname "b" ct status dnat masquerade',
  ]);
  assert.equal(rulesOf([six], 'published-local', 6)[0], 'ip6 daddr ::1 return');
  const publications = ['0.0.0.0', '::'].map((hostIp) => ({
    port: 80,
    protocol: 'tcp' as const,
    hostIp,
    hostPort: 8080,
    target: target('fd00:1::2'),
    direct: true,
  }));
  const table = firewallTables('t', [six], publications)[1] ?? assert.fail();
  assert.deepEqual(
    table.maps.map(({ name, elements }) => [name, elements.length]),
    [
      ['published', 1],
      ['published_on', 0],
      ['direct', 1],
    ],
  );
});

test('without bridges there is nothing to guard', () => {
  const { chains } = only(firewallTables('gantry', [], []));
  assert.deepEqual(
    chains.map(({ name, rules }) => [name, rules.length]),
    [
      ['guard', 0],
      ['published-in', 3],
      ['published-local', 2],
      ['outgoing', 0],
      ['isolate', 0],
    ],
  );
});

test('a port that is for some clients only', () => {
  const from = [prefix('10.0.0.0/8'), prefix('fd00::/8')];
  const port = {
    port: 80,
    protocol: 'tcp',
    hostPort: 8080,
    target: target('172.17.0.2'),
    direct: false,
    from,
  } as const;
  const publications = ['0.0.0.0', '::', '192.0.2.1'].map((hostIp) => ({ ...port, hostIp }));
  const [ipv4, ipv6] = firewallTables('t', [bridge('b', [subnet('172.17.0.0/16')])], publications);
  const elements = (table: Table | undefined, name: string) => {
    const text = renderTable(table ?? assert.fail());
    return new RegExp(`(?:map|set) ${name} \\{[^}]*?(?:elements = \\{ (.*?) \\})?\\n\\t\\}`, 's').exec(text)?.[1];
  };
  assert.equal(elements(ipv4, 'restricted'), 'tcp . 8080');
  assert.equal(elements(ipv4, 'restricted_on'), 'tcp . 192.0.2.1 . 8080');
  assert.equal(elements(ipv4, 'admitted'), 'tcp . 10.0.0.0/8 . 8080');
  assert.equal(elements(ipv4, 'admitted_on'), 'tcp . 10.0.0.0/8 . 192.0.2.1 . 8080');
  assert.equal(elements(ipv6, 'admitted'), 'tcp . fd00::/8 . 8080');
  assert.equal(elements(ipv6, 'published'), undefined, 'the proxy process serves it');
  const admission = ipv4?.chains.find(({ name }) => name === 'admission');
  assert.equal(admission?.rules.length, 2);
});

test('a port that is routed twice is for the clients of both', () => {
  const port = { port: 80, protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 0, target: target('10.1.0.2') } as const;
  const routed = [bridge('b', [subnet('10.1.0.0/24', 'routed')])];
  const admitted = (...from: (string[] | undefined)[]) => {
    const publications = from.map((one) => ({ ...port, direct: true, ...(one && { from: one.map(prefix) }) }));
    const table = only(firewallTables('t', routed, publications));
    return table.maps.find(({ name }) => name === 'admitted_on')?.elements.length;
  };
  assert.equal(admitted(['192.0.2.0/24'], ['192.0.2.7', '198.51.100.1']), 2);
  assert.equal(admitted(['192.0.2.0/24'], undefined), undefined, 'for everybody');
});

test('what a network sends is limited before answers are let through', () => {
  const rules = rulesOf([bridge('out', [subnet('10.1.0.0/24')], { sending: 2_500_000 })], 'isolate');
  assert.deepEqual(rules.slice(0, 2), [
    'iifname "out" oifname != "out" limit rate over 2500000 bytes/second burst 65536 bytes drop',
    'oifname "out" ct state established,related accept',
  ]);
});

test('links are let through where containers are kept apart, and nowhere else', () => {
  const apart = bridge('b', [subnet('10.1.0.0/24')], { talking: false });
  const link = { port: 80, protocol: 'tcp', client: target('10.1.0.2'), server: target('10.1.0.3') } as const;
  const rules = (bridges: readonly FirewallBridge[]) =>
    only(firewallTables('t', bridges, [], { links: [link] }))
      .chains.find(({ name }) => name === 'isolate')
      ?.rules.map(({ comment }) => comment);
  assert.deepEqual(rules([apart]), [
    'answers',
    'published ports',
    'links',
    'containers of this network are kept apart',
    'everything else stays out',
  ]);
  assert.ok(!rules([bridge('b', [subnet('10.1.0.0/24')])])?.includes('links'));
  const text = renderTable(only(firewallTables('t', [apart], [], { links: [link] })));
  assert.match(text, /set linked \{\n.*\n\t\telements = \{ tcp \. 10\.1\.0\.2 \. 10\.1\.0\.3 \. 80 \}/);
});

test('a port that the host’s rules decide about comes in by the way back in only', () => {
  const port = { port: 80, protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080, target: target('172.17.0.2') } as const;
  const publications = [{ ...port, direct: false, hostRules: true }];
  const reentry = { in: 'gv1', out: { name: 'gv2', index: 7 } };
  const text = renderTable(
    only(firewallTables('t', [bridge('b', [subnet('172.17.0.0/16')])], publications, { reentry })),
  );
  const lines = text.split('\n').map((line) => line.trim().replace(/ comment .*/, ''));
  assert.ok(lines.includes('iifname "gv1" fib daddr type local dnat ip to meta l4proto . th dport map @hosted'));
  assert.ok(
    lines.includes('fib daddr type local dnat ip to meta l4proto . th dport map @hosted'),
    'for the host itself',
  );
  assert.ok(
    lines.includes(
      'ct state new iifname != "lo" meta l4proto . th dport @hosted_ports dup to 192.0.0.9 device "gv2" drop',
    ),
  );
  assert.match(text, /map published \{\n\t\ttype [^\n]*\n\t\}/, 'it is not published besides');
});
