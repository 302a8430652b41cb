/** Firewalls of other programs that drop containers' packets: named at the start and on change, never touched. */
import assert from 'node:assert/strict';
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
});
