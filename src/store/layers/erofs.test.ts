import assert from 'node:assert/strict';
import { mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { silentLogger } from '../../base/log.ts';
import { testArchive, testLayerBackend } from './contract.ts';
import { openLayers } from './open.ts';

const openAt = (directory: string) =>
  openLayers({
    directory: join(directory, 'layers'),
    mountDirectory: join(directory, 'mnt'),
    kind: 'erofs',
    log: silentLogger,
  });

testLayerBackend('erofs', openAt, process.getuid?.() === 0 ? false : 'mounting needs root');

test('a damaged layer file is found by verify, and set aside at the next start', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'layers-damage-'));
  t.after(() => rm(directory, { recursive: true }));
  const layers = await openAt(directory);
  const source = join(directory, 'archive');
  await writeFile(source, testArchive([{ name: 'file', content: Buffer.alloc(20_000, 'x') }]));
  const { diffId } = await layers.ingest(source);
  const [name = ''] = await readdir(join(directory, 'layers'));
  const path = join(directory, 'layers', name);
  const file = await open(path, 'r+');
  await file.write('y', 4096 + 20_000);
  assert.equal(await layers.verify(diffId), undefined);
  assert.match((await layers.verify(diffId, source)) ?? '', /differs/);
  await file.truncate(8192);
  await file.close();
  assert.match((await layers.verify(diffId)) ?? '', /cut short/);
  await layers.close();
  const again = await openAt(directory);
  assert.deepEqual(again.list(), []);
  await again.ingest(source, { expected: diffId });
  assert.equal(await again.verify(diffId, source), undefined);
  await again.close();
});
