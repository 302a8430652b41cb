import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile, open as openFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { TarEntry } from '../../archive/tar/entry.ts';
import { encodeTarHeader, tarPadding, tarTrailer } from '../../archive/tar/write.ts';
import { type DiffId, digestOfHex } from '../../base/ids.ts';
import { getXattr } from '../../sys/file/xattr.ts';
import type { IngestOptions, LayerBackend, LayerInfo, MountedLayer } from './backend.ts';
import { ArchiveFeed } from './feed.ts';

/** Opens the backend below a directory; called again for the same one, as after a restart of the engine. */
export type OpenBackend = (directory: string) => Promise<LayerBackend>;

const base: TarEntry = {
  type: 'file',
  name: '',
  linkName: '',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 1_700_000_000,
  mtimeNsec: 0,
  major: 0,
  minor: 0,
};

/** A member of a test archive: what of the entry is not the default, and its content. */
export type TestMember = Partial<TarEntry> & { name: string; content?: string | Buffer };

/** An archive of these members. */
export function testArchive(members: readonly TestMember[]): Buffer {
  const parts: Buffer[] = [];
  for (const { content = '', ...entry } of members) {
    const bytes = Buffer.from(content);
    const isFile = (entry.type ?? 'file') === 'file';
    parts.push(encodeTarHeader({ ...base, ...entry, size: isFile ? bytes.length : 0 }));
    if (isFile) parts.push(bytes, tarPadding(bytes.length));
  }
  return Buffer.concat([...parts, tarTrailer()]);
}

export const diffIdOf = (archive: Buffer): DiffId =>
  digestOfHex(createHash('sha256').update(archive).digest('hex')) as DiffId;

/** cap_net_raw, permitted and effective, in the format of version 2. */
const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');

const sample: readonly TestMember[] = [
  { name: './', type: 'directory', mode: 0o755 },
  { name: 'etc/', type: 'directory', mode: 0o750, uid: 3, gid: 4 },
  { name: 'etc/small', content: 'small\n', mode: 0o4755, uid: 7, gid: 8, mtimeNsec: 5000 },
  { name: 'etc/large', content: Buffer.alloc(300_000, 'large file ') },
  { name: 'link', type: 'symlink', linkName: 'etc/small', mode: 0o777 },
  { name: 'hard', type: 'hardlink', linkName: 'etc/small' },
  { name: 'null', type: 'char', major: 1, minor: 3, mode: 0o666 },
  { name: 'etc/.wh.gone' },
  { name: 'over/', type: 'directory', mode: 0o755 },
  { name: 'over/.wh..wh..opq' },
];

/** The suite that every layer backend passes. `skip` is a reason why this machine cannot mount. */
export function testLayerBackend(kind: string, open: OpenBackend, skip: string | false): void {
  testContent(kind, open, skip);
  testOddContent(kind, open, skip);
  testHostileContent(kind, open, skip);
  testTurns(kind, open, skip);
  testPassing(kind, open);
  testLifetime(kind, open, skip);
}

async function ingest(directory: string, layers: LayerBackend, archive: Buffer, expected?: DiffId): Promise<LayerInfo> {
  const path = join(directory, 'archive');
  await writeFile(path, archive);
  return layers.ingest(path, expected === undefined ? {} : { expected });
}

const opener =
  (kind: string, open: OpenBackend) =>
  async (t: TestContext): Promise<{ directory: string; layers: LayerBackend; releases: MountedLayer[] }> => {
    const directory = await mkdtemp(join(tmpdir(), `layers-${kind}-`));
    const layers = await open(directory);
    const releases: MountedLayer[] = [];
    t.after(async () => {
      for (const mounted of releases) mounted.release();
      await layers.close();
      await rm(directory, { recursive: true });
    });
    return { directory, layers, releases };
  };

function testContent(kind: string, open: OpenBackend, skip: string | false): void {
  const withBackend = opener(kind, open);

  test(`${kind}: an ingested layer shows what is in its archive`, { skip }, async (t) => {
    const { directory, layers, releases } = await withBackend(t);
    const archive = testArchive(sample);
    const info = await ingest(directory, layers, gzipSync(archive), diffIdOf(archive));
    assert.equal(info.diffId, diffIdOf(archive));
    assert.equal(info.archiveSize, archive.length);
    assert.equal(info.contentSize, 300_006);
    const mounted = await layers.mount(info.diffId);
    releases.push(mounted);
    const at = (name: string): string => join(mounted.path, name);
    assert.deepEqual((await readdir(mounted.path)).sort(), ['etc', 'hard', 'link', 'null', 'over']);
    assert.equal(await readFile(at('etc/small'), 'utf8'), 'small\n');
    assert.deepEqual(await readFile(at('etc/large')), Buffer.alloc(300_000, 'large file '));
    assert.equal(await readlink(at('link')), 'etc/small');
    const small = await lstat(at('etc/small'), { bigint: true });
    assert.deepEqual([small.mode, small.uid, small.gid, small.nlink], [0o104755n, 7n, 8n, 2n]);
    assert.equal(small.mtimeNs, 1_700_000_000_000_005_000n);
    assert.equal((await lstat(at('hard'))).ino, Number(small.ino));
    assert.equal((await lstat(at('null'))).rdev, 0x103);
    const gone = await lstat(at('etc/gone'));
    assert.ok(gone.isCharacterDevice() && gone.rdev === 0);
  });
}

function testOddContent(kind: string, open: OpenBackend, skip: string | false): void {
  const withBackend = opener(kind, open);

  test(`${kind}: opaque directories, attributes, times and odd names are kept`, { skip }, async (t) => {
    const { directory, layers, releases } = await withBackend(t);
    const xattrs = new Map([
      ['security.capability', capability],
      ['user.note', Buffer.from('x\0y')],
      ['trusted.overlay.redirect', Buffer.from('/etc')],
    ]);
    const info = await ingest(
      directory,
      layers,
      testArchive([
        { name: './', type: 'directory', mode: 0o1777, uid: 5, mtime: 77 },
        { name: 'over/.wh..wh..opq' },
        { name: 'over/kept', xattrs, mtime: -5, mtimeNsec: 250_000_000 },
        { name: 'pipe', type: 'fifo', mode: 0o622, gid: 9 },
        { name: 'disk', type: 'block', major: 259, minor: 300, mode: 0o660 },
        { name: 'dangling', type: 'symlink', linkName: '/no/where', uid: 11, mtime: 99 },
        { name: '\xff\xfe', content: 'bytes' },
        { name: 'twice', content: 'the first one is gone' },
        { name: 'twice', content: 'second' },
      ]),
    );
    const mounted = await layers.mount(info.diffId);
    releases.push(mounted);
    const at = (name: string): Buffer => Buffer.from(`${mounted.path}/${name}`, 'latin1');
    assert.equal(getXattr(at('over'), 'trusted.overlay.opaque')?.toString(), 'y');
    assert.deepEqual(getXattr(at('over/kept'), 'security.capability'), capability);
    assert.equal(getXattr(at('over/kept'), 'user.note')?.toString(), 'x\0y');
    assert.equal(getXattr(at('over/kept'), 'trusted.overlay.redirect'), undefined);
    assert.equal((await lstat(at('over/kept'), { bigint: true })).mtimeNs, -4_750_000_000n);
    const [root, pipe, disk, dangling] = await Promise.all(
      ['', 'pipe', 'disk', 'dangling'].map((name) => lstat(at(name))),
    );
    assert.deepEqual([root?.mode, root?.uid, root?.mtimeMs], [0o041777, 5, 77_000]);
    assert.deepEqual([pipe?.mode, pipe?.gid], [0o010622, 9]);
    assert.deepEqual([disk?.mode, disk?.rdev], [0o060660, 0x11032c]);
    assert.deepEqual([dangling?.uid, dangling?.mtimeMs], [11, 99_000]);
    assert.equal(await readFile(at('\xff\xfe'), 'utf8'), 'bytes');
    assert.equal(await readFile(at('twice'), 'utf8'), 'second');
  });
}

function testHostileContent(kind: string, open: OpenBackend, skip: string | false): void {
  const withBackend = opener(kind, open);

  test(`${kind}: a hostile archive reaches nothing outside of its layer`, { skip }, async (t) => {
    const { directory, layers, releases } = await withBackend(t);
    const outside = join(directory, 'outside');
    await mkdir(outside);
    const deep = `d/${`${'x'.repeat(200)}/`.repeat(18)}`;
    const info = await ingest(
      directory,
      layers,
      testArchive([
        { name: 'out', type: 'symlink', linkName: outside },
        { name: 'out/written', content: 'x' },
        { name: 'up', type: 'symlink', linkName: '../../../../../../..' },
        { name: 'up/above', content: 'x' },
        { name: 'out', type: 'directory' },
        { name: 'out/again', content: 'x' },
        { name: '/absolute', content: 'x' },
        { name: 'a/b/../../dots', content: 'x' },
        { name: deep, type: 'directory' },
        // Its real path is longer than any path may be.
        { name: 'far', type: 'symlink', linkName: deep },
        { name: `far/${deep}end`, content: 'x' },
        { name: 'was-a-tree/file', content: 'x' },
        { name: 'was-a-tree', type: 'symlink', linkName: '/etc' },
        { name: 'was-a-tree', type: 'fifo' },
      ]),
    );
    const mounted = await layers.mount(info.diffId);
    releases.push(mounted);
    assert.deepEqual(await readdir(outside), []);
    assert.deepEqual((await readdir(mounted.path)).sort(), [
      'above',
      'absolute',
      'd',
      'dots',
      'far',
      'out',
      outside.split('/')[1],
      'up',
      'was-a-tree',
    ]);
    assert.deepEqual(await readdir(join(mounted.path, 'out')), ['again']);
    assert.equal(await readFile(join(mounted.path, outside, 'written'), 'utf8'), 'x');
    assert.ok((await lstat(join(mounted.path, 'was-a-tree'))).isFIFO());
    assert.equal(await layers.verify(info.diffId, join(directory, 'archive')), undefined);
    mounted.release();
    await layers.delete(info.diffId);
    await eventually(async () => (await readdir(join(directory, 'layers'))).length === 0);
  });
}

/** Some state that tells nobody when it comes. */
async function eventually(holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 20_000; !(await holds()); await setTimeout(5)) {
    if (Date.now() > end) assert.fail('it never came to be');
  }
}

function testTurns(kind: string, open: OpenBackend, skip: string | false): void {
  const withBackend = opener(kind, open);

  test(`${kind}: a layer that is deleted while it is made anew is whole or gone`, { skip }, async (t) => {
    const { directory, layers } = await withBackend(t);
    const path = join(directory, 'archive');
    const { diffId } = await ingest(directory, layers, testArchive([{ name: 'a', content: 'x' }]));
    for (let round = 0; round < 12; round++) {
      // Unmounting takes a while: so there is a moment in which the file of the new one lies beside the deletion.
      (await layers.mount(diffId)).release();
      await Promise.all([
        ...[0, 1, 2].map(() => layers.ingest(path)),
        (async () => {
          await setTimeout(round);
          await layers.delete(diffId);
        })(),
      ]);
      if (layers.info(diffId) === undefined) await layers.ingest(path);
      const mounted = await layers.mount(diffId);
      assert.equal(await readFile(join(mounted.path, 'a'), 'utf8'), 'x');
      mounted.release();
    }
    await layers.delete(diffId);
  });
}

function testPassing(kind: string, open: OpenBackend): void {
  const withBackend = opener(kind, open);

  test(`${kind}: an archive that passes by makes the same layer, and who brings it never waits in vain`, async (t) => {
    const { directory, layers } = await withBackend(t);
    const archive = testArchive([...sample, { name: 'huge', content: Buffer.alloc(9 << 20, 'passing by ') }]);
    const passed = async (bytes: Buffer, options: IngestOptions = {}): Promise<LayerInfo> => {
      const feed = new ArchiveFeed();
      const ingesting = layers.ingest(feed, options).finally(() => feed.close());
      ingesting.catch(() => undefined);
      const room = Buffer.alloc(700_000);
      for (let at = 0; at < bytes.length; at += room.length) {
        const part = room.subarray(0, bytes.copy(room, 0, at));
        await feed.write(part);
        room.fill(0xee);
      }
      feed.end();
      return ingesting;
    };
    const wrong = Buffer.concat([testArchive([{ name: '../escape' }]), archive]);
    const stop = new AbortController();
    const stopped = passed(archive, { signal: stop.signal });
    stop.abort();
    await assert.rejects(stopped, { code: 'cancelled' });
    await assert.rejects(passed(archive, { signal: AbortSignal.abort() }), { code: 'cancelled' });
    await assert.rejects(passed(wrong), { code: 'invalid' });
    await assert.rejects(passed(archive, { maxBytes: 1_000_000 }), { code: 'invalid', message: /larger than/ });
    await assert.rejects(passed(archive.subarray(0, 1 << 20)), { code: 'corrupt' });
    assert.deepEqual(layers.list(), []);
    const info = await passed(archive);
    assert.equal(info.diffId, diffIdOf(archive));
    assert.deepEqual(await ingest(directory, layers, archive), info);
    assert.equal(await layers.verify(info.diffId, join(directory, 'archive')), undefined);
    // Longer than all pieces together: it waits for nobody.
    const closed = new ArchiveFeed();
    closed.close();
    await closed.write(archive);
    closed.end();
  });
}

function testLifetime(kind: string, open: OpenBackend, skip: string | false): void {
  const withBackend = opener(kind, open);

  test(`${kind}: a mount is shared, and a layer in use is not deleted`, { skip }, async (t) => {
    const { directory, layers } = await withBackend(t);
    const { diffId } = await ingest(directory, layers, testArchive(sample));
    const [first, second] = await Promise.all([layers.mount(diffId), layers.mount(diffId)]);
    assert.equal(first.path, second.path);
    assert.equal(layers.users(diffId), 2);
    first.release();
    first.release();
    await assert.rejects(layers.delete(diffId), { code: 'conflict' });
    assert.equal(await readFile(join(second.path, 'etc/small'), 'utf8'), 'small\n');
    second.release();
    await layers.delete(diffId);
    await layers.delete(diffId);
    assert.equal(layers.info(diffId), undefined);
    await assert.rejects(layers.mount(diffId), { code: 'not-found' });
  });

  test(`${kind}: what was refused leaves nothing behind`, async (t) => {
    const { directory, layers } = await withBackend(t);
    const archive = testArchive(sample);
    const wrong = diffIdOf(Buffer.from('something else'));
    await assert.rejects(ingest(directory, layers, archive, wrong), { code: 'corrupt' });
    await assert.rejects(ingest(directory, layers, archive.subarray(0, 2000)), { code: 'corrupt' });
    await assert.rejects(ingest(directory, layers, gzipSync(archive).subarray(0, 300)), { code: 'corrupt' });
    await assert.rejects(ingest(directory, layers, testArchive([{ name: '../escape' }])), { code: 'invalid' });
    const path = join(directory, 'archive');
    await writeFile(path, gzipSync(Buffer.alloc(10_000_000)));
    await assert.rejects(layers.ingest(path, { maxBytes: 1_000_000 }), { code: 'invalid' });
    await assert.rejects(layers.ingest(path, { signal: AbortSignal.abort() }), { code: 'cancelled' });
    const stop = new AbortController();
    const givenUp = {
      open: () => {
        stop.abort();
        return openFile(path);
      },
      follow: () => () => undefined,
    };
    await assert.rejects(layers.ingest(givenUp, { signal: stop.signal }), { code: 'cancelled' });
    assert.deepEqual(layers.list(), []);
    await layers.close();
    const left = await readdir(directory, { recursive: true, withFileTypes: true });
    assert.deepEqual(
      left.filter((entry) => entry.isFile()).map((entry) => entry.name),
      ['archive'],
    );
  });

  test(`${kind}: layers and what is mounted survive the engine`, { skip }, async (t) => {
    const { directory, layers } = await withBackend(t);
    const { diffId } = await ingest(directory, layers, testArchive(sample));
    const before = await layers.mount(diffId);
    const again = await open(directory);
    assert.equal(again.info(diffId)?.contentSize, 300_006);
    const after = await again.mount(diffId);
    assert.equal(after.path, before.path);
    assert.equal(await readFile(join(after.path, 'etc/small'), 'utf8'), 'small\n');
    after.release();
    await again.delete(diffId);
    await again.close();
  });

  test(`${kind}: two ingests of one layer share the work; ingesting again changes nothing`, async (t) => {
    const { directory, layers } = await withBackend(t);
    const archive = testArchive(sample);
    const diffId = diffIdOf(archive);
    const path = join(directory, 'archive');
    await writeFile(path, archive);
    const [a, b] = await Promise.all([
      layers.ingest(path, { expected: diffId }),
      layers.ingest(path, { expected: diffId }),
    ]);
    assert.equal(a, b);
    assert.deepEqual(await layers.ingest(path), a);
    assert.equal(await layers.verify(diffId, path), undefined);
  });
}
