import assert from 'node:assert/strict';
import { open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { busyboxLayer, type CraftedImage, dockerArchive, layerOf, ociBlobs, sha256 } from '../support/crafted-image.ts';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { startRegistry } from '../support/registry.ts';
import { run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';

/** Changes one bit in the middle half of a file: where, depends on the file's name. */
async function flipBit(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const { size } = await file.stat();
    const at =
      Math.floor(size / 4) + (Number.parseInt(sha256(Buffer.from(path)).slice(0, 8), 16) % Math.ceil(size / 2));
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    byte.writeUInt8(byte.readUInt8() ^ 0x10);
    await file.write(byte, 0, 1, at);
  } finally {
    await file.close();
  }
}

/** A file of the layer at `path`: the layer itself, or the first file that has something in it. */
async function fileOfLayer(path: string): Promise<string | undefined> {
  if ((await stat(path)).isFile()) return path;
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    const inside = join(entry.parentPath, entry.name);
    if (entry.isFile() && (await stat(inside)).size > 0) return inside;
  }
  return undefined;
}

engineSuite('system check', { skip: isOracle() && 'Docker has no such check' }, (engine) => {
  const folder = (name: string): string => join(engine().paths.dataRoot, name);
  const blobNames = () => readdir(folder('blobs/sha256'));
  const check = async (...flags: string[]) => {
    const [program, ...args] = gantryProgram;
    const { code, stdout } = await run(program, [
      ...args,
      '-H',
      `unix://${engine().paths.socket}`,
      'system',
      'check',
      ...flags,
    ]);
    return { code, stdout };
  };
  const imageOf = async (text: string): Promise<CraftedImage> => ({
    layers: [(await busyboxLayer()).blob, layerOf({ name: 'greeting', body: text.repeat(5000) }).blob].map((blob) => ({
      blob: gzipSync(blob, { level: 1 }),
      diffId: sha256(blob),
    })),
  });

  test('finds nothing in a sound store, also while containers run', async () => {
    const image = await engine().load('busybox');
    await engine().dockerOk(['run', '-d', '--name', 'running', image, 'sleep', '1000']);
    const { code, stdout } = await check('--repair');
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^Checked 1 images: 3 blobs \(.*\) and 1 layers\n0 problems found, 0 repaired\n$/);
  });

  test('finds a flipped bit in every blob and every layer, and mends them from the registry', async () => {
    await using registry = await startRegistry(engine().namespaces);
    const before = new Set(await blobNames());
    const layersBefore = new Set(await readdir(folder('layers')));
    const { manifest, blobs } = ociBlobs(await imageOf('hello'));
    await registry.put('app', 'one', manifest, blobs.slice(0, -1));
    const name = `${registry.host}/app:one`;
    await engine().dockerOk(['pull', name]);
    const names = (await blobNames()).filter((one) => !before.has(one));
    assert.equal(names.length, 4, 'manifest, config and two layers');
    for (const blob of names) {
      await flipBit(join(folder('blobs/sha256'), blob));
      const found = await check();
      assert.equal(found.code, 1);
      assert.match(found.stdout, new RegExp(`^blob sha256:${blob} of ${name}: its bytes have the digest sha256:`, 'm'));
      assert.match(found.stdout, /^1 problems found, 0 repaired$/m);
      const mended = await check('--repair');
      assert.equal(mended.code, 0, mended.stdout);
      assert.match(mended.stdout, /fetched again from 127\.0\.0\.1:5000\/app\n/);
      assert.equal((await check()).code, 0);
    }
    const layers = (await readdir(folder('layers'))).filter((one) => !layersBefore.has(one));
    assert.equal(layers.length, 1, 'the other one was there');
    for (const layer of layers) {
      const file = await fileOfLayer(join(folder('layers'), layer));
      assert.ok(file !== undefined);
      await flipBit(file);
      const found = await check();
      assert.equal(found.code, 1, layer);
      assert.match(found.stdout, /^layer sha256:/m);
      const mended = await check('--repair');
      assert.equal(mended.code, 0, mended.stdout);
      assert.match(mended.stdout, /unpacked again/);
    }
    assert.deepEqual(new Set(await blobNames()), before.union(new Set(names)));
    const said = await engine().dockerOk(['run', '--rm', name, 'head', '-c', '10', '/greeting']);
    assert.equal(said, 'hellohello');
  });

  test('fetches what is missing, and says what it cannot mend', async () => {
    const local = { ...(await imageOf('local')), names: ['crafted:local'] };
    await engine().dockerOk(['load'], { input: dockerArchive(local) });
    const [blob = ''] = local.layers.map((layer) => sha256(layer.blob)).slice(1);
    const path = join(folder('blobs/sha256'), blob);
    await flipBit(path);
    const { code, stdout } = await check('--repair');
    assert.equal(code, 1);
    assert.match(stdout, new RegExp(`^blob sha256:${blob} of crafted:local: .*\n  not repaired: `, 'm'));
    assert.ok((await stat(path)).size > 0, 'the damaged blob is still there');
    await rm(path);
    assert.match((await check()).stdout, /is not in the store/);
  });
});
