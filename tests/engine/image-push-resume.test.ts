import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { dockerArchive, layerOf, ociLayout } from '../support/crafted-image.ts';
import { dockerClient } from '../support/docker-client.ts';
import { isOracle } from '../support/engine.ts';
import { startRegistry } from '../support/registry.ts';
import { ended } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { startKeepingRegistry, type Taken } from './_keeping-registry.ts';

const mebibyte = 1 << 20;
const size = 100_000_000;
/** Twelve places in the layer: near its ends, and at odd ones between. */
const offsets = [1, 3, 9, 17, 25, 33, 41, 50, 60, 75, 90, 99].map((at) => at * 1_000_000 + 7);
const name = '127.0.0.1:5000/app:cut';

/** Each request goes on where the one before it ended, up to a mebibyte; all of the layer comes. */
function assertResumed(taken: readonly Taken[], cuts = offsets): void {
  assert.equal(taken.length, cuts.length + 1, JSON.stringify(taken));
  for (const [at, { from }] of taken.entries()) {
    const before = taken[at - 1]?.until ?? 0;
    assert.ok(from <= before && before - from <= mebibyte, `request ${at} goes on at ${from}, after ${before}`);
  }
  assert.ok((taken.at(-1)?.until ?? 0) > size);
}

const skip = isOracle() && 'Docker begins anew';

engineSuite('a push that is broken off', { skip }, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);
  const input = ociLayout({ names: [name], layers: [layerOf({ name: 'data', body: randomBytes(size) })] });
  const load = () => engine().dockerOk(['load', '-q'], { input });

  test('by the connection, twelve times: nothing that arrived is sent again', async () => {
    await using registry = await startKeepingRegistry(engine().namespaces, 'close', offsets);
    await load();
    await docker('push', '-q', name);
    assertResumed(registry.taken);
    assert.match(await docker('push', name), /Layer already exists/);
  });

  test('by the death of the engine, twelve times: nothing that arrived is sent again', {
    timeout: 600_000,
  }, async () => {
    await using registry = await startKeepingRegistry(engine().namespaces, 'hold', offsets);
    await load();
    for (const at of offsets.keys()) {
      const pushing = engine().docker(['push', '-q', name]);
      await eventually('the registry has what came', () => registry.taken.length > at, { timeout: 60_000 });
      await engine().stop('SIGKILL');
      assert.notEqual((await pushing).code, 0);
      await engine().start();
    }
    await docker('push', '-q', name);
    assertResumed(registry.taken);
  });

  test('by its client: the next one goes on', async () => {
    const [first = 0] = offsets.slice(6);
    await using registry = await startKeepingRegistry(engine().namespaces, 'hold', [first]);
    await load();
    const env = { ...process.env, ...engine().clientEnv() };
    const client = spawn(dockerClient(), ['push', '-q', name], { stdio: 'ignore', env });
    const left = ended(client);
    await eventually('the registry has what came', () => registry.taken.length === 1, { timeout: 60_000 });
    client.kill('SIGINT');
    await left;
    await docker('push', '-q', name);
    assertResumed(registry.taken, [first]);
  });

  test('begins anew where the registry has lost it, and sends to another one what that one has not', async () => {
    await load();
    {
      await using registry = await startKeepingRegistry(engine().namespaces, 'hold', [50_000_000]);
      const pushing = engine().docker(['push', '-q', name]);
      await eventually('the registry has what came', () => registry.taken.length === 1, { timeout: 60_000 });
      await engine().stop('SIGKILL');
      assert.notEqual((await pushing).code, 0);
      await engine().start();
    }
    await using other = await startKeepingRegistry(engine().namespaces, 'close', []);
    await docker('push', '-q', name);
    assert.deepEqual(
      other.taken.map(({ from }) => from),
      [0],
    );
  });
});

engineSuite('what a registry is known to have', {}, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);

  test('is mounted from there, also when the image came another way and the engine was started anew', async () => {
    await using registry = await startRegistry(engine().namespaces);
    const layers = [layerOf({ name: 'file', body: randomBytes(3 * mebibyte) })];
    const input = dockerArchive({ names: ['known:1'], layers });
    await engine().dockerOk(['load', '-q'], { input });
    const [first, second] = [`${registry.host}/first:1`, `${registry.host}/team/second:1`];
    await docker('tag', 'known:1', first);
    await docker('push', '-q', first);
    await docker('rmi', first, 'known:1');
    await engine().stop('SIGKILL');
    await engine().start();
    await engine().dockerOk(['load', '-q'], { input });
    await docker('tag', 'known:1', second);
    assert.match(await docker('push', second), /^[0-9a-f]{12}: Mounted from first$/m);
    await docker('rmi', second, 'known:1');
  });
});
