import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Command, has, nft, skip, tablesAfter } from './_foreign-lab.ts';
import { describeObstacle, findObstacles, type Obstacle } from './obstacles.ts';

const bridges = [
  { name: 'gantry0', ipv4: true, ipv6: false },
  { name: 'br-6', ipv4: true, ipv6: true },
];

/** What is in the way once a program has run these commands in an empty namespace. */
const obstaclesAfter = (commands: readonly Command[]): Obstacle[] =>
  findObstacles(tablesAfter(commands), bridges, 'eth0');
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
  assert.deepEqual(cutOff('iif lo drop; oif lo drop; iif != lo oif != lo accept;', 'drop'), [], 'by the index');
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
  const mends = (...commands: Command[]) => obstaclesAfter(commands).map(({ mend }) => mend);
  assert.deepEqual(mends(nft(ufw)), [
    'ufw route allow in on gantry0 && ufw route allow out on gantry0 && ufw route allow in on br-6 && ufw route allow out on br-6',
  ]);
  const firewalld = 'table inet firewalld { chain f { type filter hook forward priority 10; policy accept; reject; } }';
  assert.match(
    mends(nft(firewalld))[0] ?? '',
    /^firewall-cmd --permanent --zone=trusted --add-interface=gantry0 && .* && firewall-cmd --reload$/,
  );
});

const kinds = ['', '-legacy'].map((kind) => ({ kind, programs: [`iptables${kind}`, `ip6tables${kind}`] as const }));
for (const { programs } of kinds) iptablesCases(...programs);

function iptablesCases(four: string, six: string): void {
  test(`rules of ${four}`, { skip: skip || (has(four) ? false : `${four} is not installed`) }, () => {
    const drop: Command = [four, '-P', 'FORWARD', 'DROP'];
    const docker: Command[] = [drop, [four, '-N', 'DOCKER-USER'], [four, '-A', 'FORWARD', '-j', 'DOCKER-USER']];
    const [found] = obstaclesAfter(docker);
    assert.match(
      found?.mend ?? '',
      new RegExp(`^${four} -I DOCKER-USER -i gantry0 -j ACCEPT && ${four} -I DOCKER-USER -o gantry0 -j ACCEPT && `),
    );
    const mend = (found?.mend ?? '').split(' && ').map((command) => command.split(' ') as unknown as Command);
    assert.deepEqual(obstaclesAfter([...docker, ...mend]), []);
    const ofSix = obstaclesAfter([[six, '-P', 'FORWARD', 'DROP']]);
    assert.deepEqual(
      ofSix.map(({ bridges: names, mend: command }) => [names, command.split(' ')[0]]),
      [[['br-6'], six]],
    );
    const comment = ['-m', 'comment', '--comment', 'x'];
    const own: Command[] = ['-i', '-o'].flatMap((side) =>
      ['gantry0', 'br-+'].map((name): Command => [four, '-A', 'FORWARD', side, name, ...comment, '-j', 'ACCEPT']),
    );
    assert.deepEqual(obstaclesAfter([drop, ...own]), []);
    assert.equal(obstaclesAfter([[four, '-A', 'FORWARD', '-j', 'REJECT']]).length, 1);
  });
}
