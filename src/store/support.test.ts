import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { mountErofs, mountOverlay, mountTmpfs, unmount } from '../sys/mount/mount.ts';
import { probeStorage } from './support.ts';

const skip = process.getuid?.() === 0 ? false : 'mounting needs root';

async function temporary(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'support-'));
  t.after(async () => {
    for (const name of ['overlay', 'tmpfs']) await unmount(join(directory, name), { lazy: true });
    await rm(directory, { recursive: true });
  });
  return directory;
}

test('the host is asked what it can do, and nothing is left of it', { skip }, async (t) => {
  const directory = await temporary(t);
  const probe = join(directory, 'probe');
  const found = await probeStorage(probe, {});
  assert.equal(found.kind, found.erofs === undefined ? 'dir' : 'erofs');
  assert.equal((await probeStorage(probe, { kind: 'dir' })).kind, 'dir');
  assert.equal((await probeStorage(probe, { overlay: 'links' })).overlay, 'links');
  assert.equal((await probeStorage(probe, { erofs: 'loop' })).erofs, 'loop');
  assert.deepEqual(await readdir(directory), []);
});

test('a way that this host lacks does not spoil the next one', { skip }, async (t) => {
  const probe = join(await temporary(t), 'probe');
  const tried: string[] = [];
  const found = await probeStorage(probe, {}, async (image, target, method) => {
    tried.push(method);
    if (method !== 'loop') throw new Error('as on Linux before 6.12');
    await mountErofs(image, target, method);
  });
  assert.deepEqual(tried, ['file-direct', 'file', 'loop']);
  assert.deepEqual([found.kind, found.erofs], ['erofs', 'loop']);
});

test('a file system that overlayfs cannot write to is refused by its name', { skip }, async (t) => {
  const directory = await temporary(t);
  const at = (name: string): string => join(directory, name);
  for (const name of ['tmpfs', 'overlay']) await mkdir(at(name));
  await mountTmpfs(at('tmpfs'));
  for (const name of ['tmpfs/l', 'tmpfs/u', 'tmpfs/w']) await mkdir(at(name));
  await mountOverlay({
    method: 'links',
    lower: [at('tmpfs/l')],
    upper: at('tmpfs/u'),
    work: at('tmpfs/w'),
    target: at('overlay'),
  });
  assert.equal((await probeStorage(at('tmpfs/probe'), {})).backingFileSystem, 'tmpfs');
  await assert.rejects(probeStorage(at('overlay/probe'), {}), { code: 'unavailable', message: /\(overlayfs\)/ });
});
