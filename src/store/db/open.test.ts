import assert from 'node:assert/strict';
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test, { type TestContext } from 'node:test';
import { createLogger, silentLogger } from '../../base/log.ts';
import type { EventInput } from '../../spec/engine/event.ts';
import { mountTmpfs, unmount } from '../../sys/mount/mount.ts';
import { mendOneBit, recordSum } from './_checksum.ts';
import { StateDatabase } from './_database.ts';
import { openStateDb } from './open.ts';
import { asideRecords } from './_quarantine.ts';
import { openSound } from './_sound.ts';

const notRoot = process.getuid?.() === 0 ? false : 'mounting needs root';

async function directory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'state-db-'));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

const event = (action: string): EventInput => ({ type: 'container', action, actorId: 'c1', attributes: { name: 'x' } });

test('records and events survive closing, in the order of the calls', async (t) => {
  const path = join(await directory(t), 'state.db');
  const db = await openStateDb(path, silentLogger);
  const calls = Array.from({ length: 50 }, (_, i) =>
    db.commit({
      records: [{ op: 'put', kind: 'k', id: 'one', value: { i } }],
      events: [event(`a${i}`), event(`b${i}`)],
    }),
  );
  const seqs = (await Promise.all(calls)).flat().map((e) => e.seq);
  assert.deepEqual(
    seqs,
    Array.from({ length: 100 }, (_, i) => i + 1),
  );
  await db.commit({ records: [{ op: 'put', kind: 'k', id: 'two', value: null }] });
  await db.commit({
    records: [
      { op: 'delete', kind: 'k', id: 'two' },
      { op: 'delete', kind: 'k', id: 'never' },
    ],
  });
  await db.close();
  assert.equal((await stat(path)).mode & 0o777, 0o600);

  const again = await openStateDb(path, silentLogger);
  assert.deepEqual(await again.load('k'), [{ id: 'one', value: { i: 49 } }]);
  assert.deepEqual(await again.load('other'), []);
  const all = await again.readEvents({ limit: 1000 });
  assert.deepEqual(all.map((e) => e.action).slice(0, 4), ['a0', 'b0', 'a1', 'b1']);
  assert.ok(all.every((e, i) => i === 0 || e.timeNs > (all[i - 1]?.timeNs ?? 0n)));
  const page = await again.readEvents({ afterSeq: 98, limit: 1 });
  assert.deepEqual(
    page.map((e) => [e.seq, e.action, e.attributes]),
    [[99, 'a49', { name: 'x' }]],
  );
  const middle = all[10];
  assert.ok(middle);
  const range = await again.readEvents({ sinceNs: middle.timeNs, untilNs: middle.timeNs, limit: 10 });
  assert.deepEqual(
    range.map((e) => e.seq),
    [11],
  );
  const [next] = await again.commit({ events: [event('c')] });
  assert.equal(next?.seq, 101);
  await again.close();
  await assert.rejects(again.commit({}), { code: 'unavailable' });
});

test('only the newest events are kept', async (t) => {
  const db = await openStateDb(join(await directory(t), 'state.db'), silentLogger, { eventRetention: 10 });
  await db.commit({ events: Array.from({ length: 2500 }, (_, i) => event(`e${i}`)) });
  const left = await db.readEvents({ limit: 5000 });
  const bounds = await db.eventBounds();
  assert.deepEqual([bounds.first?.seq, bounds.first?.timeNs, bounds.lastSeq], [2491, left[0]?.timeNs, 2500]);
  assert.deepEqual(
    left.map((e) => e.seq),
    [2491, 2492, 2493, 2494, 2495, 2496, 2497, 2498, 2499, 2500],
  );
  await db.close();
});

test('an unreadable record is set aside and logged, the others load', async (t) => {
  const path = join(await directory(t), 'state.db');
  const db = await openStateDb(path, silentLogger);
  await db.commit({
    records: ['good', 'rotten', 'newer'].map((id) => ({ op: 'put' as const, kind: 'k', id, value: { id } })),
  });
  await db.close();
  const raw = new DatabaseSync(path);
  raw.exec(
    `UPDATE records SET json = '{"id":"r"}' WHERE id = 'rotten'; UPDATE records SET version = 9 WHERE id = 'newer'`,
  );
  raw.close();

  const open = async () => {
    const lines: string[] = [];
    const log = createLogger('warn', (line) => lines.push(line));
    return { db: await openStateDb(path, log), lines };
  };
  const keys = async (from: typeof db) => (await from.aside()).map(({ kind, id }) => [kind, id]);
  const first = await open();
  assert.deepEqual(await first.db.load('k'), [{ id: 'good', value: { id: 'good' } }]);
  assert.equal(first.lines.length, 2);
  assert.deepEqual(await keys(first.db), [
    ['k', 'rotten'],
    ['k', 'newer'],
  ]);
  assert.deepEqual((await first.db.aside())[0]?.text, '{"id":"r"}');
  await first.db.close();

  const second = await open();
  assert.deepEqual(second.lines, [], 'told once');
  assert.equal((await second.db.aside()).length, 2, 'but not forgotten');
  await second.db.settle([{ kind: 'k', id: 'newer', reason: '', text: '' }]);
  await second.db.close();

  // What an engine that understands it would see.
  const repaired = new DatabaseSync(path);
  repaired.exec(`UPDATE quarantine SET json = '{"id":"rotten"}' WHERE id = 'rotten'`);
  repaired.close();
  const third = await open();
  assert.deepEqual(
    (await third.db.load('k')).map(({ id }) => id),
    ['good', 'rotten'],
  );
  assert.deepEqual(await keys(third.db), []);
  await third.db.setAside({ kind: 'k', id: 'good', reason: 'no idea what this is', text: '' });
  assert.deepEqual(await keys(third.db), [['k', 'good']]);
  await third.db.commit({ records: [{ op: 'put', kind: 'k', id: 'good', value: 'made anew' }] });
  await third.db.close();
  const fourth = await open();
  assert.deepEqual(await keys(fourth.db), []);
  assert.deepEqual((await fourth.db.load('k'))[0]?.value, 'made anew');
  await fourth.db.close();
});

test('a record of which one bit changed is put right, whichever bit it was', () => {
  const json = Buffer.from(JSON.stringify({ name: 'web', layers: ['sha256:1234'], größe: 7 }));
  const record = { kind: 'image', id: 'sha256:abcd', json };
  for (const version of [1, 2]) {
    const crc = recordSum(version, record);
    assert.equal(mendOneBit(version, { ...record, crc }), undefined);
    for (let bit = 0; bit < json.length * 8; bit++) {
      const damaged = Buffer.from(json);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.deepEqual(mendOneBit(version, { ...record, crc, json: damaged })?.json, json, `bit ${bit}`);
      damaged[(bit + 77) % json.length] = 0;
      const more = mendOneBit(version, { ...record, crc, json: damaged });
      assert.ok(more === undefined || recordSum(version, more) === more.crc);
    }
    for (let bit = 0; bit < 32; bit++) {
      const mended = mendOneBit(version, { ...record, crc: (crc ^ (1 << bit)) >>> 0 });
      assert.deepEqual([mended?.json, mended?.crc], [json, crc]);
    }
  }
  const crc = recordSum(2, record);
  assert.deepEqual(mendOneBit(2, { ...record, kind: 'imagd', crc })?.kind, 'image');
  assert.deepEqual(mendOneBit(2, { ...record, id: 'sha256:abce', crc })?.id, 'sha256:abcd');
});

test('whatever bit of the file changes: no wrong record is read, and one that is missing is told of', async (t) => {
  const root = await directory(t);
  const path = join(root, 'state.db');
  const written = new Map<string, string>();
  const db = await openStateDb(path, silentLogger);
  for (let at = 0; at < 40; at++) {
    const value = { at, text: 'abcdefgh'.repeat(at * 2) };
    written.set(`record-${at}`, JSON.stringify(value));
    await db.commit({ records: [{ op: 'put', kind: 'k', id: `record-${at}`, value }], events: [event(`e${at}`)] });
  }
  await db.close();
  // Most of the file is room for later: the records are in what SQLite had written when there was none.
  const compact = new DatabaseSync(path);
  compact.exec('VACUUM; PRAGMA wal_checkpoint(TRUNCATE)');
  compact.close();
  const sound = await readFile(path);
  const seen = { all: 0, mended: 0, missing: 0 };
  for (let round = 0; round < 400; round++) {
    const damaged = Buffer.from(sound);
    const bit = Math.floor((round * sound.length * 8) / 400) + ((round * 7919) % 1000);
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const copy = join(root, 'copy.db');
    for (const name of await readdir(root)) if (name.startsWith('copy.db')) await rm(join(root, name));
    await writeFile(copy, damaged);
    const opened = await openedWithBit(copy);
    if (opened === 'refused') continue;
    for (const { id, json } of opened.records) assert.equal(json, written.get(id), `bit ${bit} of ${id}`);
    const isWhole = opened.records.length === written.size;
    assert.ok(isWhole || opened.aside.length > 0, `bit ${bit}: ${opened.records.length} records, none set aside`);
    if (isWhole && opened.aside.length === 0) seen.all++;
    else seen.missing++;
    seen.mended += opened.notices.filter((message) => message.includes('mended')).length;
  }
  assert.ok(seen.all > 200 && seen.mended > 10, JSON.stringify(seen));
});

/** A flipped bit in the file's schema number means a newer engine's: that is refused. */
async function openedWithBit(path: string) {
  const notices: string[] = [];
  const data = { path, contentDirectories: [], eventRetention: 100 };
  try {
    using db = openSound(data, ({ message }) => notices.push(message));
    return { records: new StateDatabase(db, 100).load('k'), aside: asideRecords(db), notices };
  } catch (error) {
    assert.match(String(error), /newer/);
    return 'refused';
  }
}

test('a state database that is missing beside content is told of, one that never was is not', async (t) => {
  const root = await directory(t);
  const path = join(root, 'state.db');
  const blobs = join(root, 'blobs');
  await mkdir(blobs);
  const open = () => openStateDb(path, silentLogger, { contentDirectories: [blobs, join(root, 'absent')] });
  const fresh = await open();
  assert.deepEqual(await fresh.aside(), []);
  await fresh.close();
  await writeFile(join(blobs, 'one'), '');
  const again = await open();
  assert.deepEqual(await again.aside(), []);
  await again.close();
  for (const name of await readdir(root)) if (name.startsWith('state.db')) await rm(join(root, name));
  const lost = await open();
  assert.deepEqual(
    (await lost.aside()).map(({ kind }) => kind),
    ['database'],
  );
  await lost.close();
});

test('a check finds what changed on the disk since the start, and mends one bit', async (t) => {
  const path = join(await directory(t), 'state.db');
  const db = await openStateDb(path, silentLogger);
  const put = (id: string) => ({ op: 'put' as const, kind: 'k', id, value: { id } });
  await db.commit({ records: [put('one'), put('two'), put('three')], events: [event('e')] });
  assert.deepEqual(await db.check(false), { records: 3, events: 1, faults: [], badRecords: [] });
  const raw = new DatabaseSync(path);
  raw.exec(
    `UPDATE records SET json = '{"id":"onE"}' WHERE id = 'one'; UPDATE records SET json = '{}' WHERE id = 'two'`,
  );
  raw.close();
  const bad = async (repair: boolean) => (await db.check(repair)).badRecords.map(({ id, isMended }) => [id, isMended]);
  assert.deepEqual(await bad(false), [
    ['one', false],
    ['two', false],
  ]);
  assert.deepEqual(await bad(true), [
    ['one', true],
    ['two', false],
  ]);
  assert.deepEqual(await bad(true), [['two', false]]);
  assert.deepEqual((await db.load('k')).find(({ id }) => id === 'one')?.value, { id: 'one' });
  await db.close();
});

test('a file that is no database is set aside and a new one started', async (t) => {
  const root = await directory(t);
  const path = join(root, 'state.db');
  await writeFile(path, 'this is not a database, and it is longer than a header of 100 bytes'.repeat(20));
  const lines: string[] = [];
  const db = await openStateDb(
    path,
    createLogger('warn', (line) => lines.push(line)),
  );
  await db.commit({ records: [{ op: 'put', kind: 'k', id: 'a', value: 1 }] });
  assert.deepEqual(await db.load('k'), [{ id: 'a', value: 1 }]);
  await db.close();
  assert.match(lines.join('\n'), /state database was damaged/);
  assert.ok((await readdir(root)).some((name) => name.startsWith('state.db.damaged-')));
});

test('what is readable in a damaged database is taken over', async (t) => {
  const path = join(await directory(t), 'state.db');
  const db = await openStateDb(path, silentLogger);
  for (let i = 0; i < 200; i++) {
    await db.commit({ records: [{ op: 'put', kind: 'k', id: `r${i}`, value: 'x'.repeat(500) }], events: [event('e')] });
  }
  await db.close();
  const file = await open(path, 'r+');
  const size = (await file.stat()).size;
  for (let at = 4096 * 20; at < size; at += 4096 * 7) await file.write(Buffer.alloc(4096, 0xee), 0, 4096, at);
  await file.close();
  const lines: string[] = [];
  const again = await openStateDb(
    path,
    createLogger('warn', (line) => lines.push(line)),
  );
  const left = await again.load('k');
  assert.match(lines.join('\n'), /state database was damaged/);
  assert.ok(left.length > 10 && left.length < 200, `${left.length} records`);
  await again.close();
});

test("a newer engine's database is refused and left alone", async (t) => {
  const root = await directory(t);
  const path = join(root, 'state.db');
  await (await openStateDb(path, silentLogger)).close();
  const raw = new DatabaseSync(path);
  raw.exec('PRAGMA user_version = 999');
  raw.close();
  await assert.rejects(openStateDb(path, silentLogger), /newer than this engine/);
  assert.deepEqual(
    (await readdir(root)).filter((name) => name.includes('damaged')),
    [],
  );
});

test('on a full disk small changes still go through', { skip: notRoot }, async (t) => {
  const root = await directory(t);
  await mountTmpfs(root, [['size', '12m']]);
  try {
    await fillAndCommit(root);
  } finally {
    await unmount(root, { lazy: true });
  }
});

async function fillAndCommit(root: string): Promise<void> {
  const put = (id: string, size: number) => ({ op: 'put' as const, kind: 'k', id, value: 'x'.repeat(size) });
  const db = await openStateDb(join(root, 'state.db'), silentLogger);
  await using filler = await open(join(root, 'filler'), 'w');
  const fill = async (): Promise<void> => {
    for (;;) await filler.write(Buffer.alloc(1 << 20));
  };
  await assert.rejects(fill(), { code: 'ENOSPC' });
  for (let i = 0; i < 50; i++) await db.commit({ records: [put(`r${i}`, 500)] });
  await assert.rejects(db.commit({ records: [put('big', 20 << 20)] }), { code: 'no-space' });
  await filler.truncate();
  await db.commit({ records: [put('later', 1)] });
  assert.equal((await db.load('k')).length, 51);
  await db.close();
}
