import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../../base/address.ts';
import { type Command, has, nft, skip, tablesAfter } from './_foreign-lab.ts';
import type { Publication } from './elements.ts';
import { describeObstacle, findClosed, type Obstacle, type ReceivedPort, receivedPorts } from './obstacles.ts';

const ports: readonly ReceivedPort[] = [
  { family: 4, protocol: 'tcp', port: 8080, from: 'outside' },
  { family: 6, protocol: 'udp', port: 53, from: 'outside' },
  { family: 6, protocol: 'tcp', port: 8080, from: 'loopback' },
];

const closedAfter = (commands: readonly Command[]): Obstacle[] => findClosed(tablesAfter(commands), ports, 'eth0');
const namesOf = (found: readonly Obstacle[]): string =>
  found.flatMap((one) => one.ports.map(({ family, port, from }) => `${family}:${port}:${from}`)).join(' ');
const chain = (rules: string, policy = 'drop'): Command =>
  nft(
    `table inet theirs { chain sub { tcp dport 8080 accept; } chain in { type filter hook input priority 0; policy ${policy}; ${rules} } chain through { type filter hook forward priority 0; policy drop; } }`,
  );
const closedBy = (rules: string, policy?: string): string => namesOf(closedAfter([chain(rules, policy)]));

const [web, names, own] = ['4:8080:outside', '6:53:outside', '6:8080:loopback'] as const;
const all = `${web} ${names} ${own}`;

test('chains that close ports', { skip }, () => {
  assert.equal(closedBy(''), all);
  assert.equal(closedBy('', 'accept'), '');
  assert.equal(
    closedBy('iif lo accept; oif != lo ct state invalid drop; ct state established,related accept;'),
    `${web} ${names}`,
  );
  assert.equal(closedBy('tcp dport 8080 drop; udp dport 54 drop;', 'accept'), `${web} ${own}`);
  assert.equal(closedBy('iifname != "lo" tcp dport ( 22, 8000-9000 ) reject;', 'accept'), web);
  assert.equal(closedBy('tcp dport != 22 reject with tcp reset;', 'accept'), `${web} ${own}`);
  assert.equal(closedBy('meta l4proto udp drop;', 'accept'), names);
  assert.equal(closedBy('ip protocol tcp drop;', 'accept'), web);
  assert.equal(closedBy('meta nfproto ipv6 drop;', 'accept'), `${names} ${own}`);
  assert.equal(closedBy('meta l4proto ( udp, sctp ) th dport < 1024 drop;', 'accept'), names);
});

test('chains that open them, also for some clients only', { skip }, () => {
  assert.equal(closedBy('iifname "lo" accept; tcp dport 8080 accept;'), names);
  assert.equal(closedBy('iifname "lo" accept; meta l4proto ( tcp, udp ) th dport ( 53, 8080 ) accept;'), '');
  assert.equal(closedBy('iifname "lo" accept; tcp dport 8080-8090 accept; udp dport ( 1-52, 53-60 ) accept;'), '');
  assert.equal(closedBy('iifname "lo" accept; udp dport ( 1-52, 54-60 ) accept;'), `${web} ${names}`);
  assert.equal(closedBy('iifname "lo" accept; jump sub;'), names);
  assert.equal(closedBy('iifname "lo" accept; ip saddr 192.0.2.0/24 jump sub; udp dport 53 accept;'), '');
  assert.equal(closedBy('iifname "lo" accept; ip saddr 192.0.2.0/24 tcp dport 8080 accept; udp dport 53 accept;'), '');
  assert.equal(closedBy('iifname "lo" accept; ip saddr 192.0.2.0/24 tcp dport 22 accept; udp dport 53 accept;'), web);
  assert.equal(closedBy('ip saddr 192.0.2.9 drop;', 'accept'), '');
});

test('the command that opens them speaks the language of the table’s owner', { skip }, () => {
  const [found] = closedAfter([chain('')]);
  assert.match(
    describeObstacle(found ?? assert.fail()),
    /^the firewall chain in of the table inet theirs drops packets to published ports that the host receives itself \(8080\/tcp, 53\/udp by IPv6, 8080\/tcp from ::1\); to let them in: nft '/,
  );
  const mended = /nft '(.*)'$/.exec(found?.mend ?? '')?.[1] ?? assert.fail();
  assert.equal(namesOf(closedAfter([chain(''), ['nft', mended]])), '');
  const mends = (text: string) => closedAfter([nft(text)]).map(({ mend }) => mend);
  assert.deepEqual(
    mends(
      'table ip6 filter { chain ufw6-before-input { } chain INPUT { type filter hook input priority 0; policy drop; jump ufw6-before-input; } }',
    ),
    ['ufw allow in on lo && ufw allow 53/udp'],
  );
  assert.deepEqual(
    mends('table inet firewalld { chain i { type filter hook input priority 10; iifname "lo" accept; reject; } }'),
    [
      'firewall-cmd --permanent --add-port=8080/tcp && firewall-cmd --permanent --add-port=53/udp && firewall-cmd --reload',
    ],
  );
});

for (const kind of ['', '-legacy']) {
  const [four, six] = [`iptables${kind}`, `ip6tables${kind}`] as const;
  test(`rules of ${four}`, { skip: skip || (has(four) ? false : `${four} is not installed`) }, () => {
    const drop: Command[] = [
      [four, '-P', 'INPUT', 'DROP'],
      [six, '-P', 'INPUT', 'DROP'],
    ];
    const found = closedAfter(drop);
    assert.equal(namesOf(found), all);
    const mend = found.flatMap((one) => one.mend.split(' && ').map((command) => command.split(' ') as [string]));
    assert.deepEqual(mend[0], [four, '-I', 'INPUT', '-p', 'tcp', '--dport', '8080', '-j', 'ACCEPT']);
    assert.equal(namesOf(closedAfter([...drop, ...mend])), '');
    /** Whether the port of IPv4 is open. */
    const after = (...rules: string[]): boolean =>
      !namesOf(closedAfter([...drop, ...rules.map((rule) => [four, ...rule.split(' ')] as const)])).includes(web);
    assert.equal(after('-A INPUT -p tcp -m tcp --dport 8000:9000 -j ACCEPT'), true);
    assert.equal(after('-A INPUT -p tcp -m multiport --dports 22,8000:9000 -j ACCEPT'), true);
    assert.equal(after('-A INPUT -p tcp -m multiport --dports 22,9000 -j ACCEPT'), false);
    assert.equal(after('-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT'), false);
    assert.equal(after('-A INPUT -p udp -m udp --dport 8080 -j ACCEPT'), false);
    assert.equal(after('-A INPUT ! -p udp -j ACCEPT'), true);
    assert.equal(after('-A INPUT -i eth+ -j ACCEPT'), true);
    assert.equal(after('-A INPUT ! -i eth0 -j ACCEPT'), false);
    assert.equal(after('-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'), false);
    assert.equal(after('-A INPUT -m conntrack ! --ctstate INVALID -j ACCEPT'), true);
    assert.equal(after('-N sub', '-A sub -p tcp --dport 22 -j DROP', '-A sub -j RETURN', '-A INPUT -j sub'), false);
    assert.equal(after('-N sub', '-A sub -p tcp --dport 8080 -j ACCEPT', '-A INPUT -i eth0 -g sub'), true);
    assert.equal(after('-A INPUT -s 192.0.2.1/32 -p tcp -m tcp --dport 8080 -j ACCEPT'), true, 'for some clients');
    assert.equal(after('-A INPUT -p tcp -m tcp --dport 8080', '-A INPUT -j LOG'), false, 'rules that decide nothing');
  });
}

test('ports that the host itself receives', () => {
  const address = (text: string) => parseAddress(text) ?? assert.fail();
  const published = (hostIp: string, target: string, more: Partial<Publication> = {}): Publication => ({
    port: 80,
    protocol: 'tcp',
    hostIp,
    hostPort: 8080,
    target: address(target),
    direct: false,
    ...more,
  });
  const found = (...publications: Publication[]) =>
    receivedPorts(publications).map(({ family, protocol, port, from }) => `${family} ${protocol} ${port} ${from}`);
  assert.deepEqual(found(published('0.0.0.0', '172.17.0.2'), published('0.0.0.0', '172.17.0.2', { hostPort: 0 })), []);
  assert.deepEqual(found(published('::', '172.17.0.2')), ['6 tcp 8080 outside', '6 tcp 8080 loopback']);
  assert.deepEqual(found(published('::', 'fd00::2')), ['6 tcp 8080 loopback']);
  assert.deepEqual(found(published('fd77::1', '172.17.0.2')), ['6 tcp 8080 outside']);
  assert.deepEqual(found(published('::1', '172.17.0.2')), ['6 tcp 8080 loopback']);
  assert.deepEqual(found(published('::', '172.17.0.2', { protocol: 'sctp' })), []);
  const hostRules = { hostRules: true };
  assert.deepEqual(found(published('0.0.0.0', '172.17.0.2', hostRules)), ['4 tcp 8080 outside']);
  assert.deepEqual(found(published('127.0.0.1', '172.17.0.2', hostRules)), []);
  assert.deepEqual(
    found(published('192.0.2.1', '172.17.0.2', hostRules), published('0.0.0.0', '172.17.0.2', hostRules)),
    ['4 tcp 8080 outside'],
  );
});
