import assert from 'node:assert/strict';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { silentLogger } from '../../src/base/log.ts';
import { openStateDb } from '../../src/store/db/open.ts';
import { busyboxLayer, dockerArchive, layerOf } from '../support/crafted-image.ts';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';

const busybox = 'gantry-test/busybox:1';

engineSuite('damaged records', { skip: isOracle() && "Docker's records are other ones" }, (engine) => {
  const root = (name: string): string => join(engine().paths.dataRoot, name);
  const check = async (...flags: string[]) => {
    const [program, ...args] = gantryProgram;
    const host = `unix://${engine().paths.socket}`;
    return run(program, [...args, '-H', host, 'system', 'check', ...flags]);
  };
  const content = async () => new Set([...(await readdir(root('blobs/sha256'))), ...(await readdir(root('layers')))]);
  const loadCrafted = async (name: string) =>
    engine().dockerOk(['load'], {
      input: dockerArchive({ names: [name], layers: [await busyboxLayer(), layerOf({ name: 'own', body: name })] }),
    });
  /** What the suite looks for after each test: its image's layer is mounted. */
  const warm = () => engine().dockerOk(['run', '--rm', busybox, 'true']);
  const warnings = () => engine().dockerOk(['info', '--format', '{{json .Warnings}}']);

  /** Changes the database of an engine that is not there. */
  async function damage(change: (db: DatabaseSync) => void, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await engine().stop(signal);
    const db = new DatabaseSync(root('state.db'));
    change(db);
    db.close();
    await engine().start();
  }
  const clobber = (kind: string, id: string) => (db: DatabaseSync) => {
    const spoil = `UPDATE records SET json = substr(json, 1, length(json) - 12) || 'xyzxyzxyzx}}' WHERE kind = ? AND id LIKE ?`;
    assert.equal(Number(db.prepare(spoil).run(kind, `%${id}%`).changes), 1);
  };

  test('an image whose record cannot be read loses nothing, and is there again after a repair', async () => {
    await loadCrafted('crafted:kept');
    await loadCrafted('crafted:other');
    const id = await engine().dockerOk(['images', '-q', '--no-trunc', 'crafted:kept']);
    const before = await content();
    await damage(clobber('image', id));
    assert.match(await warnings(), /1 records could not be read, nothing is deleted/);
    assert.equal((await engine().docker(['run', '--rm', 'crafted:kept', 'true'])).code, 125);
    await engine().dockerOk(['rmi', 'crafted:other']);
    assert.deepEqual(await content(), before, 'neither what is needed nor what is not');
    const pruned = await engine().docker(['image', 'prune', '-af']);
    assert.match(pruned.stderr, /images are not pruned: 1 records could not be read/);
    await engine().stop();
    await engine().start();
    assert.deepEqual(await content(), before, 'also after another start');
    const found = await check();
    assert.equal(found.code, 1);
    assert.match(found.stdout, new RegExp(`^record image ${id}: it cannot be read: its checksum`, 'm'));
    const repaired = await check('--repair');
    assert.equal(repaired.code, 0, repaired.stdout);
    assert.match(repaired.stdout, /made again from its manifest, with 1 names/);
    assert.equal(await engine().dockerOk(['run', '--rm', 'crafted:kept', 'cat', '/own']), 'crafted:kept');
    assert.equal((await content()).size, before.size - 4, 'manifest, config, blob and layer of the other one are gone');
    assert.doesNotMatch(await warnings(), /could not be read/);
    assert.equal((await check()).code, 0);
    await engine().stop();
    await engine().start();
    assert.equal(await engine().dockerOk(['images', '-q', '--no-trunc', 'crafted:kept']), id);
    await warm();
  });

  test('pulling or loading it again settles it, too', async () => {
    await loadCrafted('crafted:again');
    const id = await engine().dockerOk(['images', '-q', '--no-trunc', 'crafted:again']);
    await damage(clobber('image', id));
    await loadCrafted('crafted:again');
    assert.doesNotMatch(await warnings(), /could not be read/);
    assert.equal((await check()).code, 0);
    await warm();
  });

  test('a name that cannot be read keeps its image from a prune, and points to it again', async () => {
    await loadCrafted('crafted:named');
    await damage(clobber('image-name', 'crafted:named'));
    assert.equal((await engine().docker(['image', 'prune', '-f'])).code, 1);
    const repaired = await check('--repair');
    assert.match(repaired.stdout, /^record image-name docker.io\/library\/crafted:named: .*\n {2}points to sha256:/m);
    assert.equal(await engine().dockerOk(['run', '--rm', 'crafted:named', 'cat', '/own']), 'crafted:named');
    await warm();
  });

  test('a container whose record cannot be read keeps its files', async () => {
    const image = 'crafted:base';
    await loadCrafted(image);
    const files = await engine().dockerOk(['create', '--name', 'files', image, 'sh']);
    await engine().dockerOk(['cp', engine().paths.log, 'files:/precious']);
    await engine().dockerOk(['volume', 'create', 'data']);
    const runs = await engine().dockerOk(['run', '-d', '--name', 'runs', '-v', 'data:/data', image, 'sleep', '1000']);
    await engine().dockerOk(['exec', 'runs', 'sh', '-c', 'echo inside > /mine; echo volume > /data/x']);
    await damage((db) => {
      clobber('container', files)(db);
      clobber('container', runs)(db);
    });
    assert.equal(await engine().dockerOk(['ps', '-aq']), '');
    assert.match((await engine().docker(['volume', 'prune', '-af'])).stderr, /volumes are not pruned: 2 records/);
    await engine().dockerOk(['rmi', image]);
    assert.equal((await readdir(root('snapshots'))).length, 2);
    const repaired = await check('--repair');
    assert.equal(repaired.code, 0, repaired.stdout);
    assert.match(repaired.stdout, /its files are in the new container runs, its settings are lost/);
    assert.equal(
      await engine()
        .dockerOk(['cp', 'runs:/mine', '-'], {})
        .then((tar) => tar.includes('inside')),
      true,
    );
    assert.match(await engine().dockerOk(['diff', 'files']), /A \/precious/);
    assert.equal(await engine().dockerOk(['ps', '-q']), '', 'what ran is ended');
    const volume = ['run', '--rm', '-v', 'data:/data', busybox, 'cat', '/data/x'];
    assert.equal(await engine().dockerOk(volume), 'volume');
    await engine().dockerOk(['rm', 'runs', 'files']);
    await warm();
  });

  test('records that do not fit what is stored are found, and mended', async () => {
    await loadCrafted('crafted:odd');
    await engine().stop();
    const db = await openStateDb(root('state.db'), silentLogger);
    const crafted = (await db.load('image-name')).filter(({ id }) => id.endsWith('crafted:odd'));
    const [target = ''] = crafted.map(({ value }) => (value as { target: string }).target);
    const record = (await db.load('image')).find(({ id }) => id === target)?.value as { blobs: unknown[] };
    const nowhere = { version: 1, target: `sha256:${'5'.repeat(64)}`, taggedNs: '1' };
    await db.commit({
      records: [
        { op: 'put', kind: 'image', id: target, value: { ...record, blobs: record.blobs.slice(0, -1) } },
        { op: 'put', kind: 'image-name', id: 'docker.io/library/points:nowhere', value: nowhere },
      ],
    });
    await db.close();
    // The blob that is not named is deleted at once.
    await engine().start();
    const found = await check();
    assert.match(found.stdout, /^record image sha256:\S+: it does not name all that its manifest has: blob sha256:/m);
    assert.match(
      found.stdout,
      /^record image-name docker.io\/library\/points:nowhere: it points to sha256:5+, which is not/m,
    );
    const repaired = await check('--repair');
    assert.equal(repaired.code, 1);
    assert.match(repaired.stdout, /not repaired: .*: pull it$/m);
    await loadCrafted('crafted:odd');
    await loadCrafted('points:nowhere');
    assert.equal((await check('--repair')).code, 0);
    await warm();
  });

  test('one flipped bit is put right when the engine starts, or by a repair while it runs', async () => {
    await loadCrafted('crafted:bit');
    const container = await engine().dockerOk(['run', '-d', '--name', 'bit', 'crafted:bit', 'sleep', '1000']);
    const flip = (db: DatabaseSync): void => {
      const change = `UPDATE records SET json = replace(json, '"version":1', '"version":3') WHERE kind LIKE 'image%'`;
      assert.ok(Number(db.prepare(change).run().changes) >= 4);
      const second = `UPDATE records SET json = replace(json, '"name":"bit"', '"name":"cit"') WHERE id = ?`;
      assert.equal(Number(db.prepare(second).run(container).changes), 1);
    };
    await damage(flip, 'SIGKILL');
    assert.equal(await engine().dockerOk(['ps', '--format', '{{.Names}} {{.Image}}']), 'bit crafted:bit');
    const live = new DatabaseSync(root('state.db'));
    flip(live);
    live.exec(`UPDATE records SET json = '{}' WHERE id = '${container}'`);
    live.close();
    const found = await check();
    assert.match(found.stdout, /^record image sha256:\S+: one of its bits had changed$/m);
    const mended = await check('--repair');
    assert.equal(mended.code, 0, mended.stdout);
    assert.match(mended.stdout, /written again as it is in memory/);
    await engine().stop('SIGKILL');
    await engine().start();
    assert.equal(await engine().dockerOk(['ps', '--format', '{{.Names}} {{.Image}}']), 'bit crafted:bit');
    assert.equal((await check()).code, 0);
    await warm();
  });

  test('without its state database the engine keeps everything, and makes images and containers anew', async () => {
    await loadCrafted('crafted:lost');
    const ids = async () => (await engine().dockerOk(['images', '-aq', '--no-trunc'])).split('\n').sort();
    const before = { ids: await ids(), content: await content() };
    await engine().dockerOk(['create', '--name', 'lost', 'crafted:lost', 'true']);
    await engine().dockerOk(['cp', engine().paths.log, 'lost:/precious']);
    await engine().stop();
    for (const name of await readdir(engine().paths.dataRoot)) {
      if (/^state\.db(-wal|-shm)?$/.test(name)) await rm(root(name));
    }
    await engine().start();
    assert.equal(await engine().dockerOk(['images', '-aq']), '');
    assert.deepEqual(await content(), before.content);
    const repaired = await check('--repair');
    assert.equal(repaired.code, 0, repaired.stdout);
    assert.match(repaired.stdout, /2 images were made again from their manifests/);
    assert.deepEqual(await ids(), before.ids);
    assert.match(await engine().dockerOk(['diff', (await engine().dockerOk(['ps', '-aq'])).trim()]), /A \/precious/);
    for (const id of before.ids) await engine().docker(['tag', id, id === before.ids[0] ? 'a:1' : 'b:1']);
    const own = await engine().docker(['run', '--rm', 'a:1', 'cat', '/own']);
    const [crafted, plain] = own.code === 0 ? ['a:1', 'b:1'] : ['b:1', 'a:1'];
    assert.equal(await engine().dockerOk(['run', '--rm', crafted, 'cat', '/own']), 'crafted:lost');
    await engine().dockerOk(['tag', plain, busybox]);
    await engine().dockerOk(['rmi', plain]);
    await warm();
  });
});
