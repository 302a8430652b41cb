import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { busyboxLayer, dockerArchive, layerOf } from '../support/crafted-image.ts';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-budget-'));
const configFile = join(folder, 'daemon.json');
writeFileSync(configFile, '{}');
const flags = [`--config-file=${configFile}`];

engineSuite('a storage budget', { flags, skip: isOracle() && 'Docker has none' }, (engine) => {
  after(() => rmSync(folder, { recursive: true, force: true }));
  const prune = async (...args: string[]) => {
    const [program, ...first] = gantryProgram;
    return run(program, [...first, '-H', `unix://${engine().paths.socket}`, 'image', 'prune', ...args]);
  };
  const images = () => engine().dockerOk(['images', '--format', '{{.Repository}}:{{.Tag}}']);
  const load = async (name: string) =>
    engine().dockerOk(['load'], {
      input: dockerArchive({
        names: [name],
        layers: [await busyboxLayer(), layerOf({ name, body: randomBytes(1 << 20) })],
      }),
    });
  async function reload(config: Record<string, unknown>): Promise<void> {
    await writeFile(configFile, JSON.stringify(config));
    process.kill(engine().pid, 'SIGHUP');
  }

  test('comes with a reload: the unused go by their age, until the rest fits; a dry run shows it before', async () => {
    for (const name of ['crafted:one', 'crafted:two', 'crafted:used']) await load(name);
    await engine().dockerOk(['create', '--name', 'user', 'crafted:used', 'true']);
    const none = await prune('--budget', 'engine', '--dry-run');
    assert.match(none.stderr, /this engine has no storage budget/);
    assert.match((await prune('--budget', '200%', '--dry-run')).stderr, /expected 1% to 100%/);
    const young = await prune('--budget', '4m', '--dry-run');
    assert.equal(young.stdout.split('\n').filter((line) => line.includes('crafted')).length, 0, young.stdout);
    const budget = { 'storage-budget': '100%', 'storage-budget-grace': '0s' };
    const since = String(Math.floor(Date.now() / 1000));
    try {
      await reload(budget);
      await eventually('the budget is there', async () => (await prune('--budget', 'engine', '--dry-run')).code === 0);
      const plan = await prune('--budget', '7m', '--dry-run');
      assert.match(plan.stdout, /crafted:one .*images take .* more than the budget; no container uses it/);
      assert.doesNotMatch(plan.stdout, /crafted:used/);
      assert.match(await images(), /crafted:one/);
      await reload({ ...budget, 'storage-budget': '1k' });
      await eventually('they are gone', async () => !/crafted:(one|two)/.test(await images()));
      assert.match(await images(), /crafted:used/);
    } finally {
      await reload({});
    }
    assert.match(await engine().logText(), /an image is removed for the storage budget/);
    const span = ['--since', since, '--until', String(Math.floor(Date.now() / 1000) + 1)];
    const events = await engine().dockerOk(['events', ...span, '--filter', 'type=image', '--format', '{{.Action}}']);
    assert.ok(events.includes('delete') && events.includes('prune'), events);
    await engine().dockerOk(['rm', 'user']);
    await engine().load('busybox');
  });
});
