import assert from 'node:assert/strict';
import { open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { busyboxLayer, type CraftedImage, dockerArchive, layerOf, ociBlobs, sha256 } from '../support/crafted-image.ts';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { startRegistry } from '../support/registry.ts';
import { must, run } from '../support/run.ts';
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
  const check = async (...flags: string[]) => checkAs({}, ...flags);
  const checkAs = async (env: Record<string, string>, ...flags: string[]) => {
    const [program, ...args] = gantryProgram;
    const host = `unix://${engine().paths.socket}`;
    const { code, stdout } = await run(program, [...args, '-H', host, 'system', 'check', ...flags], {
      env: { DOCKER_CONFIG: '/nonexistent', ...env },
    });
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
    assert.match(
      stdout,
      /^Checked 1 images: 3 blobs \(.*\) and 1 layers\nChecked \d+ records\n0 problems found, 0 repaired\n$/,
    );
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

  test('fetches from a registry that wants a login with those of the client', async () => {
    const password = 'open sesame';
    const crypted = await must('perl', ['-e', `print crypt('${password}', '$2y$05$abcdefghijklmnopqrstuu')`]);
    await using registry = await startRegistry(engine().namespaces, `tester:${crypted}`);
    await engine().dockerOk(['login', '-u', 'tester', '--password-stdin', registry.host], {
      input: Buffer.from(password),
    });
    const image = { ...(await imageOf('secret')), names: [`${registry.host}/own:1`] };
    await engine().dockerOk(['load'], { input: dockerArchive(image) });
    await engine().dockerOk(['push', `${registry.host}/own:1`]);
    const [blob = ''] = image.layers.map((layer) => sha256(layer.blob)).slice(1);
    await flipBit(join(folder('blobs/sha256'), blob));
    const anonymous = await check('--repair');
    assert.equal(anonymous.code, 1);
    assert.match(anonymous.stdout, /not repaired: /);
    const mended = await checkAs({ DOCKER_CONFIG: engine().paths.clientConfig }, '--repair');
    assert.equal(mended.code, 0, mended.stdout);
    assert.match(mended.stdout, /fetched again from 127\.0\.0\.1:5000\/own\n/);
    await engine().dockerOk(['logout', registry.host]);
  });

  test('a layer that containers have mounted is looked at, and exchanged once they have ended', async () => {
    const image = { ...(await imageOf('mounted')), names: ['crafted:mounted'] };
    await engine().dockerOk(['load'], { input: dockerArchive(image) });
    await engine().dockerOk(['run', '-d', '--name', 'reader', 'crafted:mounted', 'sleep', '1000']);
    const [, layer] = image.layers;
    const names = (await readdir(folder('layers'))).filter((name) => name.startsWith(layer?.diffId ?? 'none'));
    const file = await fileOfLayer(join(folder('layers'), names[0] ?? 'none'));
    assert.ok(file !== undefined);
    await flipBit(file);
    const held = await check('--repair');
    assert.equal(held.code, 1);
    assert.match(
      held.stdout,
      /^layer .* of crafted:mounted: .*\n {2}not repaired: it is mounted, containers have it: reader: stop them/m,
    );
    assert.equal(await engine().dockerOk(['exec', 'reader', 'echo', 'reads on']), 'reads on');
    await engine().dockerOk(['rm', '-f', 'reader']);
    const mended = await check('--repair');
    assert.equal(mended.code, 0, mended.stdout);
    assert.match(mended.stdout, /unpacked again/);
    assert.equal(
      await engine().dockerOk(['run', '--rm', 'crafted:mounted', 'head', '-c', '7', '/greeting']),
      'mounted',
    );
    await engine().dockerOk(['create', '--name', 'made', 'crafted:mounted', 'true']);
    await engine().dockerOk(['rmi', '-f', await engine().dockerOk(['images', '-q', 'crafted:mounted'])]);
    await rm(join(folder('layers'), names[0] ?? 'none'), { recursive: true });
    await engine().stop();
    await engine().start();
    const orphan = await check();
    assert.match(orphan.stdout, /^layer .*; of the containers made, whose image was removed$/m);
    await engine().dockerOk(['rm', 'made']);
    await engine().dockerOk(['run', '--rm', 'gantry-test/busybox:1', 'true']);
  });
});
