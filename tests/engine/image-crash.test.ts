import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { startEngine, type TestEngine } from '../support/engine.ts';
import { manyFilesGzip, testImage } from '../support/images.ts';
import { startRegistry } from '../support/registry.ts';
import { needsRoot } from '../support/skip.ts';
import { eventually } from '../support/wait.ts';

const folder = (engine: TestEngine, ...parts: string[]): Promise<string[]> =>
  readdir(join(engine.paths.dataRoot, ...parts));

/** Starts a docker command, kills the engine while a layer is being unpacked, and starts it again. */
async function killDuring(engine: TestEngine, args: readonly string[]): Promise<void> {
  const client = engine.docker(args);
  const isUnpacking = async () => (await folder(engine, 'layers')).some((name) => name.endsWith('.tmp'));
  await eventually('a layer is being unpacked', isUnpacking, { every: 1, timeout: 30_000 });
  await engine.stop('SIGKILL');
  assert.notEqual((await client).code, 0);
  await engine.start();
}

/** A half-made layer that is a directory is deleted in the background. */
const noLayerIsLeft = (engine: TestEngine): Promise<unknown> =>
  eventually('no layer is left', async () => (await folder(engine, 'layers')).length === 0);

describe('the engine is killed while images come in', { skip: needsRoot() }, () => {
  test('a load leaves no name, no layer and no blob; done again, it works', async () => {
    await using engine = await startEngine();
    const { archive, name } = await manyFilesGzip();
    await killDuring(engine, ['load', '-i', archive]);
    assert.equal(await engine.dockerOk(['images', '-aq']), '');
    for (const parts of [['blobs', 'sha256'], ['ingest']]) {
      assert.deepEqual(await folder(engine, ...parts), [], parts.join('/'));
    }
    await noLayerIsLeft(engine);
    await engine.dockerOk(['load', '-i', archive]);
    assert.equal(await engine.dockerOk(['run', '--rm', name, 'sh', '-c', 'find /data -type f | wc -l']), '30000');
  });

  test('a pull leaves no name and no half layer; done again, it works', async () => {
    await using engine = await startEngine();
    await using registry = await startRegistry(engine.namespaces);
    const { reference } = await registry.push(await testImage('node'), 'crash/node');
    await killDuring(engine, ['pull', reference]);
    assert.equal((await engine.docker(['image', 'inspect', reference])).code, 1);
    await noLayerIsLeft(engine);
    await engine.dockerOk(['pull', reference]);
    assert.equal(await engine.dockerOk(['run', '--rm', reference, 'node', '-p', '6*7']), '42');
  });
});
