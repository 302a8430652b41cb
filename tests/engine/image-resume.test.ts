import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type CraftedImage, layerOf } from '../support/crafted-image.ts';
import { dockerClient } from '../support/docker-client.ts';
import { isOracle } from '../support/engine.ts';
import { ended } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { type Served, startCuttingRegistry } from './_cutting-registry.ts';

const mebibyte = 1 << 20;
const size = 200_000_000;
/** Twelve places in the layer: near its ends, and at odd ones between. */
const offsets = [1, 3, 17, 33, 50, 66, 83, 99, 120, 150, 180, 199].map((at) => at * 1_000_000 + 7);

/** Random bytes: nothing on the way can make less of them. */
const image: CraftedImage = { layers: [layerOf({ name: 'data', body: randomBytes(size) })] };

/** Each answer goes on where the one before it ended, up to a mebibyte. */
function assertResumed(served: readonly Served[]): void {
  assert.equal(served.length, offsets.length + 1);
  for (const [at, { from }] of served.entries()) {
    const before = served[at - 1]?.until ?? 0;
    assert.ok(from <= before && before - from <= mebibyte, `answer ${at} goes on at ${from}, after ${before}`);
  }
}

const skip = isOracle() && 'Docker begins anew';

engineSuite('a pull that is broken off', {}, (engine) => {
  test('by the connection, twelve times: at most a mebibyte comes twice each time', { skip }, async () => {
    await using registry = await startCuttingRegistry(engine().namespaces, image, 'close', offsets);
    await engine().dockerOk(['pull', '-q', registry.reference]);
    assertResumed(registry.served);
  });

  test('by the death of the engine, twelve times: at most a mebibyte comes twice each time', { skip }, async () => {
    await using registry = await startCuttingRegistry(engine().namespaces, image, 'hold', offsets);
    const ingest = join(engine().paths.dataRoot, 'ingest');
    for (const [at, offset] of offsets.entries()) {
      const pulling = engine().docker(['pull', '-q', registry.reference]);
      await eventually('the layer is served', () => registry.served.length > at, { timeout: 60_000 });
      await eventually('the engine has what came', async () => {
        const [name = ''] = await readdir(ingest);
        return (await stat(join(ingest, name))).size >= offset - mebibyte;
      });
      await engine().stop('SIGKILL');
      assert.notEqual((await pulling).code, 0);
      await engine().start();
    }
    await engine().dockerOk(['pull', '-q', registry.reference]);
    assertResumed(registry.served);
    assert.deepEqual(await readdir(ingest), []);
  });

  test('by its client: the next one goes on', { skip }, async () => {
    const [first = 0] = offsets.slice(6);
    await using registry = await startCuttingRegistry(engine().namespaces, image, 'hold', [first]);
    const ingest = join(engine().paths.dataRoot, 'ingest');
    const env = { ...process.env, ...engine().clientEnv() };
    const client = spawn(dockerClient(), ['pull', '-q', registry.reference], { stdio: 'ignore', env });
    const left = ended(client);
    await eventually('the engine has what came', async () => {
      const [name = ''] = await readdir(ingest);
      return (await stat(join(ingest, name))).size >= first - mebibyte;
    });
    client.kill('SIGINT');
    await left;
    await engine().dockerOk(['pull', '-q', registry.reference]);
    const [before, after] = registry.served;
    assert.ok((before?.until ?? 0) - (after?.from ?? 0) <= mebibyte);
  });
});
