import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { newContainerId } from '../base/ids.ts';
import { silentLogger } from '../base/log.ts';
import { AsideBook } from '../events/aside.ts';
import type { RecordChange, StateJournal } from '../spec/contract/state.ts';
import { noFilters } from '../spec/engine/filters.ts';
import { bindMount } from '../sys/mount/mount.ts';
import { getXattr, setXattr } from '../sys/file/xattr.ts';
import type { OwnedVolumes } from './local.ts';
import { openVolumes } from './open.ts';
import { VolumeDrivers } from './plugins/drivers.ts';
import { openAllVolumes } from './plugins/open.ts';
import { createVolumeService } from './service.ts';

const notRoot = process.getuid?.() === 0 ? false : 'owners and devices need root';

/** A journal in memory. */
function fakeJournal(): StateJournal & { readonly actions: string[] } {
  const records = new Map<string, Extract<RecordChange, { op: 'put' }>>();
  const actions: string[] = [];
  return {
    aside: new AsideBook(),
    actions,
    load: async () => [...records.values()].map(({ id, value }) => ({ id, value })),
    async commit(change) {
      for (const record of change.records ?? []) {
        if (record.op === 'put') records.set(record.id, JSON.parse(JSON.stringify(record)) as typeof record);
        else records.delete(record.id);
      }
      for (const event of change.events ?? []) actions.push(`${event.action} ${event.actorId}`.trim());
      return [];
    },
  };
}

const withoutPlugins = (volumes: OwnedVolumes, journal: StateJournal) =>
  openAllVolumes(volumes, {
    drivers: new VolumeDrivers({ folders: { sockets: [], descriptions: [] }, log: silentLogger }),
    journal,
    log: silentLogger,
    clock: systemClock,
    own: [],
  });

async function fixture(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'volumes-'));
  t.after(() => rm(root, { recursive: true }));
  const journal = fakeJournal();
  const directory = join(root, 'volumes');
  const open = (): Promise<OwnedVolumes> => openVolumes({ directory, journal, log: silentLogger });
  return { root, directory, journal, open, volumes: await open() };
}

test('a volume is made once, listed, and removed with its content', async (t) => {
  const { journal, volumes, open, directory } = await fixture(t);
  const made = await volumes.ensure({ name: 'data', labels: { a: '1' } });
  assert.equal(await volumes.ensure({ name: 'data', labels: { b: '2' } }), made);
  assert.equal((await lstat(made.mountpoint)).mode & 0o777, 0o755);
  assert.equal((await lstat(directory)).mode & 0o777, 0o700);
  const again = await open();
  assert.deepEqual(again.get('data'), made);
  await writeFile(join(made.mountpoint, 'file'), 'x');
  const [one, two] = [newContainerId(), newContainerId()];
  volumes.retain('data', one);
  volumes.retain('data', two);
  await assert.rejects(volumes.remove('data', { force: true }), {
    code: 'conflict',
    message: `remove data: volume is in use - [${one}, ${two}]`,
  });
  volumes.release('data', one);
  volumes.release('data', two);
  await volumes.remove('data');
  assert.deepEqual(await readdir(directory), []);
  await assert.rejects(volumes.remove('data'), { code: 'not-found', message: 'get data: no such volume' });
  await volumes.remove('data', { force: true });
  assert.deepEqual(journal.actions, ['create data', 'destroy data']);
});

test('names against the grammar are refused in the words of Docker', async (t) => {
  const { volumes } = await fixture(t);
  for (const name of ['', '.hidden', '../up', 'a/b', 'a b', 'ää', 'x'.repeat(256), '-dash', 'nul\0']) {
    await assert.rejects(volumes.ensure({ name }), { code: 'invalid', message: /includes invalid characters/ }, name);
  }
  await assert.rejects(volumes.ensure({ name: 'a' }), { code: 'invalid', message: /too short/ });
  await assert.rejects(volumes.ensure({ name: 'ok', driver: 'nope' }), { code: 'not-found', message: /plugin "nope"/ });
  await assert.rejects(volumes.ensure({ name: 'ok', options: { x: 'y' } }), { code: 'invalid' });
  for (const name of ['a0', 'constructor', 'A.b-c_d', '0.']) assert.equal((await volumes.ensure({ name })).name, name);
});

test('data without a record is taken over, what was being removed goes', async (t) => {
  const { volumes, directory, root } = await fixture(t);
  const { mountpoint } = await volumes.ensure({ name: 'kept' });
  await writeFile(join(mountpoint, 'file'), 'precious');
  await mkdir(join(directory, '.removing-123/_data'), { recursive: true });
  const other = await openVolumes({ directory, journal: fakeJournal(), log: silentLogger });
  assert.equal(await readFile(join(other.get('kept')?.mountpoint ?? '', 'file'), 'utf8'), 'precious');
  assert.deepEqual(await readdir(join(root, 'volumes')), ['kept']);
});

test('prune takes unused anonymous volumes, with all=1 the named ones too', async (t) => {
  const { volumes, journal } = await fixture(t);
  const service = createVolumeService(await withoutPlugins(volumes, journal), journal, silentLogger);
  const { Name: anonymous } = await service.create({ Name: '', Driver: '', DriverOpts: {}, Labels: {} });
  assert.match(anonymous, /^[0-9a-f]{64}$/);
  await service.create({ Name: 'named', Driver: 'local', DriverOpts: {}, Labels: { keep: 'yes' } });
  await service.create({ Name: 'used', Driver: '', DriverOpts: {}, Labels: {} });
  await writeFile(join(volumes.get('named')?.mountpoint ?? '', 'file'), 'x'.repeat(5000));
  volumes.retain('used', newContainerId());
  assert.deepEqual(await service.prune(noFilters), { VolumesDeleted: [anonymous], SpaceReclaimed: 0 });
  const names = async (key: string, value: string): Promise<string[]> =>
    (await service.list(new Map([[key, [value]]]))).Volumes.map((volume) => volume.Name);
  assert.deepEqual(await names('dangling', 'true'), ['named']);
  assert.deepEqual(await names('label', 'keep=yes'), ['named']);
  assert.deepEqual(await names('name', 'se'), ['used']);
  await assert.rejects(service.list(new Map([['color', ['red']]])), {
    code: 'invalid',
    message: "invalid filter 'color'",
  });
  const all = new Map([['all', ['true']]]);
  assert.deepEqual(await service.prune(all), { VolumesDeleted: ['named'], SpaceReclaimed: 5000 });
  assert.deepEqual((await service.inspect('used')).Labels, null);
});

test('copy-up brings everything as it is, and only from inside the root', { skip: notRoot }, async (t) => {
  const { volumes, root } = await fixture(t);
  const image = join(root, 'image');
  await mkdir(join(image, 'data/sub'), { recursive: true });
  await writeFile(join(root, 'outside'), 'outside');
  await writeFile(join(image, 'data/file'), 'content');
  await chown(join(image, 'data/file'), 12, 34);
  await chmod(join(image, 'data/file'), 0o4751);
  setXattr(Buffer.from(join(image, 'data/file')), 'user.note', Buffer.from('hi'));
  await link(join(image, 'data/file'), join(image, 'data/sub/hard'));
  await symlink('../../outside', join(image, 'data/sub/link'));
  execFileSync('mknod', [join(image, 'data/fifo'), 'p']);
  await utimes(join(image, 'data/file'), 1, 1234.5);
  await chmod(join(image, 'data'), 0o2770);
  await chown(join(image, 'data'), 5, 6);
  await chmod(join(image, 'data'), 0o2770);
  const { mountpoint } = await volumes.ensure({ name: 'vol' });
  await volumes.copyUp('vol', image, '/data');
  const at = (name: string): string => join(mountpoint, name);
  assert.equal(await readFile(at('file'), 'utf8'), 'content');
  const file = await lstat(at('file'));
  assert.deepEqual([file.mode & 0o7777, file.uid, file.gid, file.nlink, file.mtimeMs], [0o4751, 12, 34, 2, 1_234_500]);
  assert.equal(getXattr(Buffer.from(at('file')), 'user.note')?.toString(), 'hi');
  assert.equal((await lstat(at('sub/hard'))).ino, file.ino);
  assert.equal(await readlink(at('sub/link')), '../../outside');
  assert.ok((await lstat(at('fifo'))).isFIFO());
  const top = await lstat(mountpoint);
  assert.deepEqual([top.mode & 0o7777, top.uid, top.gid], [0o2770, 5, 6]);
  // With content in it, nothing is copied again.
  await rm(at('file'));
  await volumes.copyUp('vol', image, '/data');
  await assert.rejects(lstat(at('file')), { code: 'ENOENT' });

  await symlink('/', join(image, 'up'));
  await symlink('../../..', join(image, 'out'));
  const evil = await volumes.ensure({ name: 'evil' });
  for (const path of ['/out/outside', '/../outside', '/absent', '/data/file']) {
    await volumes.copyUp('evil', image, path);
    assert.deepEqual(await readdir(evil.mountpoint), [], path);
  }
  await volumes.copyUp('evil', image, '/out');
  assert.deepEqual((await readdir(evil.mountpoint)).sort(), ['data', 'out', 'up']);
});

test('a volume that others use is filled by renames', { skip: notRoot }, async (t) => {
  const { volumes, root } = await fixture(t);
  await mkdir(join(root, 'image/data'), { recursive: true });
  await writeFile(join(root, 'image/data/file'), 'content');
  const { mountpoint } = await volumes.ensure({ name: 'vol' });
  const { ino } = await lstat(mountpoint);
  volumes.retain('vol', newContainerId());
  volumes.retain('vol', newContainerId());
  await volumes.copyUp('vol', join(root, 'image'), '/data');
  assert.equal((await lstat(mountpoint)).ino, ino);
  assert.deepEqual(await readdir(mountpoint), ['file']);
});

test('options mount something for as long as containers run with it', { skip: notRoot }, async (t) => {
  const { volumes, root, open } = await fixture(t);
  await mkdir(join(root, 'host'));
  await writeFile(join(root, 'host/file'), 'of the host');
  const refuse = (options: Record<string, string>, message: RegExp): Promise<void> =>
    assert.rejects(volumes.ensure({ name: 'bad', options }), { message });
  await refuse({ color: 'red' }, /invalid option: "color"/);
  await refuse({ type: 'tmpfs' }, /missing required option: "device"/);
  await refuse({ o: 'ro' }, /missing required option: "device"/);
  await refuse({ type: 'none', device: 'relative', o: 'bind' }, /absolute path/);
  await refuse({ constructor: 'x' }, /invalid option: "constructor"/);
  await refuse({ mountpoint: 'relative' }, /mountpoint must be an absolute path, not "relative"/);
  await refuse(
    { mountpoint: '/x', type: 'tmpfs', device: 'tmpfs' },
    /the options "mountpoint" and "type" exclude each other/,
  );

  const device = join(root, 'host');
  const { mountpoint } = await volumes.ensure({ name: 'bound', options: { type: 'none', device, o: 'bind,ro' } });
  const [one, two] = [newContainerId(), newContainerId()];
  assert.deepEqual(await readdir(mountpoint), []);
  await volumes.mount('bound', one);
  await volumes.mount('bound', two);
  assert.equal(await readFile(join(mountpoint, 'file'), 'utf8'), 'of the host');
  await assert.rejects(writeFile(join(mountpoint, 'new'), ''), { code: 'EROFS' });
  await volumes.unmount('bound', one);
  const next = await open();
  await next.mount('bound', two);
  // However it comes that it is still mounted, its removal must not reach the host's files.
  const copy = await volumes.ensure({ name: 'copy' });
  await bindMount(device, copy.mountpoint);
  await volumes.remove('copy');
  assert.equal(await readFile(join(root, 'host/file'), 'utf8'), 'of the host');
  assert.deepEqual(await readdir(mountpoint), ['file']);
  await next.unmount('bound', two);
  await next.unmount('bound', two);
  assert.deepEqual(await readdir(mountpoint), []);
  await next.remove('bound');
  assert.equal(await readFile(join(root, 'host/file'), 'utf8'), 'of the host');

  const placed = await volumes.ensure({ name: 'placed', options: { mountpoint: device, o: 'ro' } });
  await volumes.mount('placed', one);
  assert.equal(await readFile(join(placed.mountpoint, 'file'), 'utf8'), 'of the host');
  await assert.rejects(writeFile(join(placed.mountpoint, 'new'), ''), { code: 'EROFS' });
  await volumes.unmount('placed', one);

  await volumes.ensure({ name: 'memory', options: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,uid=5' } });
  await volumes.mount('memory', one);
  const memory = volumes.get('memory')?.mountpoint ?? '';
  assert.equal((await lstat(memory)).uid, 5);
  await volumes.unmount('memory', one);
  await volumes.ensure({ name: 'absent', options: { type: 'none', device: join(root, 'none'), o: 'bind' } });
  await assert.rejects(volumes.mount('absent', one), { code: 'internal', message: /error while mounting volume/ });
});

test('what an engine that died left of a new volume is no volume: an empty directory goes, other things stay', async (t) => {
  const f = await fixture(t);
  await mkdir(join(f.directory, 'half'));
  await mkdir(join(f.directory, 'foreign'));
  await writeFile(join(f.directory, 'foreign', 'file'), 'not ours');
  const volumes = await f.open();
  assert.deepEqual(volumes.list(), []);
  assert.deepEqual(await readdir(f.directory), ['foreign']);
});
