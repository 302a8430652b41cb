import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { closeNetNamespace, createNetNamespace, inNetNamespace } from '../../sys/namespace/net.ts';
import { foreignTablesAt } from '../../sys/nftables/tables.ts';
import { describeObstacle, findObstacles, type Obstacle } from './obstacles.ts';

const has = (program: string): boolean => existsSync(`/usr/sbin/${program}`);
const skip = process.getuid?.() !== 0 ? 'netfilter needs root' : has('nft') ? false : 'nft is not installed';
const bridges = [
  { name: 'gantry0', ipv4: true, ipv6: false },
  { name: 'br-6', ipv4: true, ipv6: true },
];

/** What is in the way once a program has run these commands in an empty namespace. */
function obstaclesAfter(commands: readonly (readonly [string, ...string[]])[]): Obstacle[] {
  const namespace = createNetNamespace();
  try {
    return inNetNamespace(namespace, () => {
      for (const [program, ...args] of commands) execFileSync(`/usr/sbin/${program}`, args, { stdio: 'pipe' });
      return findObstacles(foreignTablesAt('forward'), bridges, 'eth0');
    });
  } finally {
    closeNetNamespace(namespace);
  }
}
/** A table as nft(8) wants it: one statement a line. */
const lines = (text: string): string =>
  text
    .replaceAll(/[{;] ?/g, (sign) => `${sign.trim()}\n`)
    .replaceAll('}', '\n}\n')
    .replaceAll('(', '{')
    .replaceAll(')', '}');
const nft = (text: string): readonly [string, ...string[]] => ['nft', lines(text)];
const chain = (rules: string, policy = 'accept'): Obstacle[] =>
  obstaclesAfter([
    nft(
      `table inet theirs { chain sub { ct state new drop; } chain through { type filter hook forward priority 0; policy ${policy}; ${rules} } chain in { type filter hook input priority 0; policy drop; } }`,
    ),
  ]);
const cutOff = (rules: string, policy?: string) => chain(rules, policy).flatMap((found) => found.bridges);

test('chains that drop what containers send and get', { skip }, () => {
  const both = ['gantry0', 'br-6'];
  assert.deepEqual(cutOff(''), []);
  assert.deepEqual(cutOff('', 'drop'), both);
  assert.deepEqual(cutOff('ct state established,related accept;', 'drop'), both);
  assert.deepEqual(cutOff('counter reject with icmpx admin-prohibited;'), both);
  assert.deepEqual(cutOff('iifname "gantry0" jump sub;'), ['gantry0']);
  assert.deepEqual(cutOff('oifname "br-*" log drop;'), ['br-6']);
  assert.deepEqual(cutOff('iifname != "lan0" goto sub;'), both);
});

test('chains that let them through, or are about something else', { skip }, () => {
  assert.deepEqual(
    cutOff('iifname "gantry0" accept; oifname "gantry0" accept; iifname "br-*" accept; oifname "br-*" accept;', 'drop'),
    [],
  );
  assert.deepEqual(cutOff('iifname "gantry0" accept;', 'drop'), ['gantry0', 'br-6'], 'one direction is not enough');
  const set = '( "gantry0", "br-6" )';
  assert.deepEqual(cutOff(`iifname ${set} accept; oifname ${set} accept;`, 'drop'), []);
  assert.deepEqual(cutOff(`iifname != ${set} drop; iifname ${set} jump sub;`), ['gantry0', 'br-6']);
  assert.deepEqual(cutOff('iifname "gantry0" oifname "eth0" accept; ct status dnat counter accept;', 'drop'), ['br-6']);
  assert.deepEqual(
    cutOff('ip saddr 192.0.2.1 drop; tcp dport 25 drop; ct state invalid drop; iifname "lan0" drop;'),
    [],
  );
});

test('the command that mends it speaks the language of the table’s owner', { skip }, () => {
  const [found] = chain('', 'drop');
  assert.match(
    describeObstacle(found ?? assert.fail()),
    /^the firewall chain through of the table inet theirs drops packets of containers \(gantry0, br-6\); to let them through: nft 'insert/,
  );
  const mended = /nft '(.*)'$/.exec(found?.mend ?? '')?.[1] ?? assert.fail();
  const theirs = nft('table inet theirs { chain through { type filter hook forward priority 0; policy drop; } }');
  assert.deepEqual(obstaclesAfter([theirs, ['nft', mended]]), []);
  const ufw =
    'table ip filter { chain ufw-before-forward { } chain FORWARD { type filter hook forward priority 0; policy drop; jump ufw-before-forward; } }';
  const mends = (...commands: (readonly [string, ...string[]])[]) => obstaclesAfter(commands).map(({ mend }) => mend);
  assert.deepEqual(mends(nft(ufw)), [
    'ufw route allow in on gantry0 && ufw route allow out on gantry0 && ufw route allow in on br-6 && ufw route allow out on br-6',
  ]);
  const firewalld = 'table inet firewalld { chain f { type filter hook forward priority 10; policy accept; reject; } }';
  assert.match(
    mends(nft(firewalld))[0] ?? '',
    /^firewall-cmd --permanent --zone=trusted --add-interface=gantry0 && .* && firewall-cmd --reload$/,
  );
});

test('rules of iptables', { skip: skip || (has('iptables') ? false : 'iptables is not installed') }, () => {
  const drop: [string, ...string[]] = ['iptables', '-P', 'FORWARD', 'DROP'];
  const docker: [string, ...string[]][] = [
    drop,
    ['iptables', '-N', 'DOCKER-USER'],
    ['iptables', '-A', 'FORWARD', '-j', 'DOCKER-USER'],
  ];
  const [found] = obstaclesAfter(docker);
  assert.match(
    found?.mend ?? '',
    /^iptables -I DOCKER-USER -i gantry0 -j ACCEPT && iptables -I DOCKER-USER -o gantry0 -j ACCEPT && /,
  );
  const mend = (found?.mend ?? '').split(' && ').map((command) => command.split(' ') as [string, ...string[]]);
  assert.deepEqual(obstaclesAfter([...docker, ...mend]), []);
  const six = obstaclesAfter([['ip6tables', '-P', 'FORWARD', 'DROP']]);
  assert.deepEqual(
    six.map(({ bridges: names, mend: command }) => [names, command.split(' ')[0]]),
    [[['br-6'], 'ip6tables']],
  );
  const comment = ['-m', 'comment', '--comment', 'x'];
  const own: [string, ...string[]][] = ['-i', '-o'].flatMap((side) =>
    ['gantry0', 'br-+'].map((name): [string, ...string[]] => [
      'iptables',
      '-A',
      'FORWARD',
      side,
      name,
      ...comment,
      '-j',
      'ACCEPT',
    ]),
  );
  assert.deepEqual(obstaclesAfter([drop, ...own]), []);
  assert.equal(obstaclesAfter([['iptables', '-A', 'FORWARD', '-j', 'REJECT']]).length, 1);
});
