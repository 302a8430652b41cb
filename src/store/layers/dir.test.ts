import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { hexOf } from '../../base/ids.ts';
import { silentLogger } from '../../base/log.ts';
import { testArchive, testLayerBackend } from './contract.ts';
import { openLayers } from './open.ts';

const openAt = (directory: string) =>
  openLayers({
    directory: join(directory, 'layers'),
    mountDirectory: join(directory, 'mnt'),
    kind: 'dir',
    erofs: undefined,
    log: silentLogger,
  });
const skip = process.getuid?.() === 0 ? false : 'owners and devices need root';

testLayerBackend('dir', openAt, skip);

test('a damaged layer directory is found by verify, and set aside at the next start', { skip }, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'layers-damage-'));
  t.after(() => rm(directory, { recursive: true }));
  const layers = await openAt(directory);
  const source = join(directory, 'archive');
  await writeFile(source, testArchive([{ name: 'a/b/file', content: Buffer.alloc(20_000, 'x') }]));
  const { diffId } = await layers.ingest(source);
  const at = (path: string): string => join(directory, 'layers', hexOf(diffId), path);
  assert.equal(await layers.verify(diffId, source), undefined);
  await chmod(at('root/a'), 0o700);
  assert.equal(await layers.verify(diffId), undefined);
  assert.match((await layers.verify(diffId, source)) ?? '', /differs/);
  await rm(at('root/a/b/file'));
  assert.match((await layers.verify(diffId)) ?? '', /3 files and directories instead of 4/);
  await writeFile(at('layer'), 'nothing');
  assert.match((await layers.verify(diffId)) ?? '', /no layer header/);
  await layers.close();
  const again = await openAt(directory);
  assert.deepEqual(again.list(), []);
  await again.ingest(source, { expected: diffId });
  assert.equal(await again.verify(diffId, source), undefined);
  await again.close();
});
