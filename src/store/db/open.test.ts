import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat, writeFile, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test, { type TestContext } from 'node:test';
import { createLogger, silentLogger } from '../../base/log.ts';
import type { EventInput } from '../../spec/engine/event.ts';
import { mountTmpfs, unmount } from '../../sys/mount/mount.ts';
import { openStateDb } from './open.ts';

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
    `UPDATE records SET json = '{"id":"rotteN"}' WHERE id = 'rotten'; UPDATE records SET version = 9 WHERE id = 'newer'`,
  );
  raw.close();

  const lines: string[] = [];
  const again = await openStateDb(
    path,
    createLogger('warn', (line) => lines.push(line)),
  );
  assert.deepEqual(await again.load('k'), [{ id: 'good', value: { id: 'good' } }]);
  assert.equal(lines.length, 2);
  assert.deepEqual(await again.load('k'), [{ id: 'good', value: { id: 'good' } }]);
  assert.equal(lines.length, 2);
  await again.close();
  const after = new DatabaseSync(path);
  assert.equal(after.prepare('SELECT count(*) AS n FROM quarantine').get()?.['n'], 2);
  after.close();
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
