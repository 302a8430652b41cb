import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { type EngineConfig, instanceNames, loadConfig } from './config.ts';
import { engineVersion } from './version.ts';

const folder = await mkdtemp(join(tmpdir(), 'gantry-config-'));
after(() => rm(folder, { recursive: true }));
const none = join(folder, 'none.json');
await writeFile(none, '{}');

const pathsOf = (config: EngineConfig) => config.listen.map((at) => (at.kind === 'unix' ? at.path : at.kind));

describe('loadConfig', () => {
  it('takes flags in all their spellings', async () => {
    const args = ['-H', 'unix:///tmp/a.sock', '--host=unix:///tmp/b.sock', '-D', '--data-root', join(folder, 'd')];
    const config = await loadConfig([...args, '--config-file', none, '--log-opt', 'max-size=1m']);
    assert.deepEqual(pathsOf(config), ['/tmp/a.sock', '/tmp/b.sock']);
    assert.equal(config.logLevel, 'debug');
    assert.deepEqual(config.logOptions, { 'max-size': '1m' });
  });

  it('takes the same from a file, and refuses what both say', async () => {
    const file = join(folder, 'engine.json');
    await writeFile(file, JSON.stringify({ debug: true, hosts: ['unix:///tmp/c.sock'] }));
    const config = await loadConfig(['--config-file', file, '--data-root', folder]);
    assert.deepEqual(pathsOf(config), ['/tmp/c.sock']);
    await assert.rejects(
      loadConfig(['--config-file', file, '-H', 'unix:///x']),
      /specified both as a flag and in the configuration file: hosts: \(from flag: \["unix:\/\/\/x"\]/,
    );
  });

  it('refuses what it does not know, naming the nearest', async () => {
    await assert.rejects(loadConfig(['--data-rot', '/x']), /unknown flag: --data-rot \(did you mean --data-root\?\)/);
    const file = join(folder, 'bad.json');
    await writeFile(file, '{"data-rooot": "/x"}');
    await assert.rejects(
      loadConfig(['--config-file', file]),
      /unknown key: "data-rooot" \(did you mean "data-root"\?\)/,
    );
    await writeFile(file, '{"debug": "yes"}');
    await assert.rejects(loadConfig(['--config-file', file]), /"debug" must be true or false/);
    await assert.rejects(loadConfig(['--config-file', join(folder, 'absent')]), /does not exist/);
    await assert.rejects(loadConfig(['--config-file', none, '-H', 'tcp://0.0.0.0:1']), /without TLS.*--insecure-tcp/);
  });

  it('names the instance after the real data root', async () => {
    await symlink(folder, `${folder}-link`);
    try {
      const [one, two] = await Promise.all(
        [`${folder}/new`, `${folder}-link/new`].map((root) => loadConfig(['--config-file', none, '--data-root', root])),
      );
      assert.deepEqual(one?.names, two?.names);
      assert.match(one?.names.bridge ?? '', /^gantry-[0-9a-f]{8}$/);
      assert.ok((one?.names.bridge.length ?? 99) <= 15);
    } finally {
      await rm(`${folder}-link`);
    }
  });

  it('gives the default data root plain names', () => {
    const names = instanceNames('/var/lib/gantry', undefined);
    assert.deepEqual([names.bridge, names.nftTable, names.cgroupParent], ['gantry0', 'gantry', '/gantry']);
  });
});

it('the version is the package’s', async () => {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  assert.equal(engineVersion, (JSON.parse(text) as { version: string }).version);
});
