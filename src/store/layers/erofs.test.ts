import assert from 'node:assert/strict';
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { ErofsMethod } from '../../sys/mount/mount.ts';
import { silentLogger } from '../../base/log.ts';
import { testArchive, testLayerBackend } from './contract.ts';
import { openLayers } from './open.ts';

const openBy = (method: ErofsMethod) => (directory: string) =>
  openLayers({
    directory: join(directory, 'layers'),
    mountDirectory: join(directory, 'mnt'),
    kind: 'erofs',
    erofs: method,
    log: silentLogger,
  });

const skip = process.getuid?.() === 0 ? false : 'mounting needs root';
const openAt = openBy('file-direct');

for (const method of ['file-direct', 'file', 'loop'] as const) {
  testLayerBackend(`erofs (${method})`, openBy(method), skip);
}

after(async () => {
  const left = async (): Promise<string[]> => {
    const devices = (await readdir('/sys/block').catch(() => [])).filter((name) => name.startsWith('loop'));
    const files = devices.map((name) => readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => ''));
    return (await Promise.all(files)).filter((file) => file.includes('layers-erofs (loop)'));
  };
  // The kernel frees a device a moment after its mount.
  for (const end = Date.now() + 5000; (await left()).length > 0; await setTimeout(20)) {
    if (Date.now() > end) assert.deepEqual(await left(), [], 'loop devices are left');
  }
});

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
