/** Firewalls of other programs that drop containers' packets: named at the start and on change, never touched. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { addNeighbour } from '../support/neighbour.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';
import { ask, servePorts } from './_reach.ts';

engineSuite('firewalls of other programs', { skip: isOracle() && 'an addition of Gantry' }, (engine) => {
  const docker = dockerOf(engine);
  const nft = async (...command: string[]) => {
    const { code, stderr } = await engine().inside(['nft', ...command]);
    assert.equal(code, 0, stderr);
  };
  const warnings = async () =>
    (await engine().api('GET', '/info'))
      .json<{ Warnings: string[] | null }>()
      .Warnings?.filter((text) => text.includes('firewall chain')) ?? [];

  test('a chain that drops is named in info, at network create and in the log; its command mends it', async () => {
    await using neighbour = await addNeighbour(engine());
    await docker.ok('run', '-d', '--name=web', '-p', '8140:80', busybox, 'sleep', '1000');
    await using _ = await servePorts(Number(await docker.field('web', '{{.State.Pid}}')), 80);
    const answers = async () =>
      (await ask((command) => neighbour.run(...command), [{ host: neighbour.hostAddress, port: 8140 }])).join();
    assert.equal(await answers(), neighbour.address);
    assert.deepEqual(await warnings(), []);
    await nft('table inet theirs {\nchain through {\ntype filter hook forward priority 0; policy drop;\n}\n}');
    const [warning = ''] = await warnings();
    assert.match(
      warning,
      /^WARNING: the firewall chain through of the table inet theirs drops packets of containers \(\S+\); to let/,
    );
    assert.equal(await answers(), '', 'it does drop');
    await eventually('the log tells', async () => (await engine().logText()).includes('the firewall chain through'));
    const body = { Name: 'cut-off', Driver: 'bridge' };
    const { Warning } = (await engine().api('POST', '/networks/create', body)).json<{ Warning: string }>();
    assert.match(Warning, /the firewall chain through of the table inet theirs drops packets/);
    const command = /nft '(.*)'$/.exec((await warnings())[0] ?? '')?.[1] ?? assert.fail();
    await nft(command);
    assert.deepEqual(await warnings(), []);
    assert.equal(await answers(), neighbour.address);
    await nft('flush', 'chain', 'inet', 'theirs', 'through');
    assert.equal((await warnings()).length, 1, 'and named again when it is undone');
    const before = (await engine().inside(['nft', 'list', 'table', 'inet', 'theirs'])).stdout;
    await engine().stop('SIGKILL');
    await engine().start();
    assert.equal((await warnings()).length, 1, 'found at the start');
    assert.equal(
      (await engine().inside(['nft', 'list', 'table', 'inet', 'theirs'])).stdout,
      before,
      'and never touched',
    );
    await docker.ok('network', 'create', '--internal', 'inner');
    await nft('delete', 'table', 'inet', 'theirs');
    await eventually('the log tells', async () =>
      (await engine().logText()).includes('in the way of containers any more'),
    );
    assert.deepEqual(await warnings(), []);
  });

  const noLegacy = !existsSync('/usr/sbin/iptables-legacy') && 'iptables-legacy is not installed';
  test('one of legacy iptables, which nft does not show', { skip: noLegacy }, async () => {
    await using neighbour = await addNeighbour(engine());
    const legacy = async (...command: string[]) => {
      const { code, stderr } = await engine().inside(['iptables-legacy', ...command]);
      assert.equal(code, 0, stderr);
    };
    await docker.ok('run', '-d', '--name=web', '-p', '8140:80', busybox, 'sleep', '1000');
    await using _ = await servePorts(Number(await docker.field('web', '{{.State.Pid}}')), 80);
    const answers = async () =>
      (await ask((command) => neighbour.run(...command), [{ host: neighbour.hostAddress, port: 8140 }])).join();
    await legacy('-P', 'FORWARD', 'DROP');
    try {
      assert.equal(await answers(), '', 'it does drop');
      const named =
        /the firewall chain FORWARD of the table ip filter of legacy iptables drops packets of containers \([^)]+\); to let them through: (iptables-legacy .*)$/;
      const [warning = ''] = await warnings();
      const command = named.exec(warning)?.[1] ?? assert.fail(warning);
      assert.match(await engine().logText(), /of legacy iptables drops packets of containers/);
      const { Warning } = (await engine().api('POST', '/networks/create', { Name: 'cut-off' })).json<{
        Warning: string;
      }>();
      assert.match(Warning, named);
      await docker.ok('network', 'rm', 'cut-off');
      assert.equal((await engine().inside(['sh', '-c', command])).code, 0);
      assert.deepEqual(await warnings(), []);
      assert.equal(await answers(), neighbour.address);
    } finally {
      await legacy('-P', 'FORWARD', 'ACCEPT');
      await legacy('-F');
    }
  });

  test('one for incoming packets closes ports that the host itself receives: by its rules, and by the proxy', async () => {
    await using neighbour = await addNeighbour(engine());
    await engine().inside(['ip', 'address', 'add', 'fd77::1/64', 'dev', 'wire0', 'nodad']);
    await neighbour.run('ip', 'address', 'add', 'fd77::2/64', 'dev', 'eth0', 'nodad');
    await docker.ok('run', '-d', '--name=plain', '-p', '8141:80', busybox, 'sleep', '1000');
    const hosted = ['--label=gantry.publish.host-rules=true', '-p', '0.0.0.0:8142:80'];
    await docker.ok('run', '-d', '--name=hosted', ...hosted, busybox, 'sleep', '1000');
    await using _a = await servePorts(Number(await docker.field('plain', '{{.State.Pid}}')), 80);
    await using _b = await servePorts(Number(await docker.field('hosted', '{{.State.Pid}}')), 80);
    const answered = async () =>
      [
        ...(await ask(
          (command) => neighbour.run(...command),
          [
            { host: neighbour.hostAddress, port: 8141 },
            { host: 'fd77::1', port: 8141 },
            { host: neighbour.hostAddress, port: 8142 },
          ],
        )),
        ...(await ask((command) => engine().inside(command), [{ host: '::1', port: 8141 }])),
      ].map(Boolean);
    const [yes, no] = [true, false];
    assert.deepEqual(await answered(), [yes, yes, yes, yes]);
    assert.deepEqual(await warnings(), []);
    await nft(
      'table inet ufw-like {\nchain in {\ntype filter hook input priority 0; policy drop\nct state established,related accept\nmeta l4proto ipv6-icmp accept\n}\n}',
    );
    assert.deepEqual(await answered(), [yes, no, no, no], 'only translated ports go past it');
    const [warning = ''] = await warnings();
    assert.match(
      warning,
      /^WARNING: the firewall chain in of the table inet ufw-like drops packets to published ports that the host receives itself \(8141\/tcp by IPv6, 8141\/tcp from ::1, 8142\/tcp\); to let them in: nft '/,
    );
    await eventually('the log tells', async () => (await engine().logText()).includes('the firewall chain in of the'));
    const { Warning } = (await engine().api('POST', '/networks/create', { Name: 'more' })).json<{ Warning: string }>();
    assert.match(Warning, /drops packets to published ports that the host receives itself/);
    await nft(/nft '(.*)'$/.exec(warning)?.[1] ?? assert.fail());
    assert.deepEqual(await answered(), [yes, yes, yes, yes]);
    assert.deepEqual(await warnings(), []);
    await docker.ok('run', '-d', '--name=late', '-p', '8143:80', busybox, 'sleep', '1000');
    assert.match((await warnings()).join(), /receives itself \(8143\/tcp by IPv6\)/, 'a port that came later');
    await docker.ok('rm', '-f', 'late');
    assert.deepEqual(await warnings(), []);
    await nft('delete table inet ufw-like');
  });
});
