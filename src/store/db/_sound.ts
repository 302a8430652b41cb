import { chmodSync, closeSync, existsSync, fsyncSync, openSync, readdirSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { messageOf } from '../../base/errors.ts';
import { databaseKind } from '../../spec/contract/state.ts';
import type { DbNotice, DbWorkerData } from './_protocol.ts';
import { inTransaction, setRecordAside, sortRecords } from './_quarantine.ts';
import { migrate, NewerDatabaseError } from './_schema.ts';

/**
 * Opens or makes the database. A damaged file is set aside, and what can be read of it is taken over; whatever could
 * not be read is in the table `quarantine`, and so is a note when records may be missing altogether.
 */
export function openSound(
  { path, contentDirectories }: DbWorkerData,
  notify: (notice: DbNotice) => void,
): DatabaseSync {
  const isLost = !existsSync(path) && contentDirectories.some(hasEntries);
  const db = openOrReplace(path, notify);
  sortRecords(db, notify);
  if (isLost) {
    const reason = 'there was none, but images or containers';
    setRecordAside(db, { kind: databaseKind, id: path, reason, text: '' });
    notify({ level: 'error', message: 'the state database is missing', fields: { path } });
  }
  return db;
}

function hasEntries(directory: string): boolean {
  try {
    return readdirSync(directory).length > 0;
  } catch {
    return false;
  }
}

function openOrReplace(path: string, notify: (notice: DbNotice) => void): DatabaseSync {
  try {
    return openChecked(path);
  } catch (error) {
    if (error instanceof NewerDatabaseError || !existsSync(path) || !isDamage(error)) throw error;
    return replaceDamaged(path, messageOf(error), notify);
  }
}

function openChecked(path: string): DatabaseSync {
  // Created here and not by SQLite, which would use the umask: the state is nobody else's business.
  closeSync(openSync(path, 'a', 0o600));
  chmodSync(path, 0o600);
  const db = new DatabaseSync(path, { timeout: 5000 });
  try {
    db.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -1024',
    );
    const verdict = db.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
    if (verdict !== 'ok') throw new DamagedDatabaseError(String(verdict));
    migrate(db);
    checkColumns(db);
    mendIndex(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** The schema is text in the file: a check of SQLite takes a column of another name for granted. */
function checkColumns(db: DatabaseSync): void {
  for (const columns of [
    'kind, id, version, crc, json FROM records',
    'kind, id, version, crc, json, reason, time_ns, settled_ns FROM quarantine',
    'seq, time_ns, type, action, actor_id, attributes FROM events',
  ]) {
    db.prepare(`SELECT ${columns}`);
  }
}

/** The index has the keys of all records once more: a quick check does not compare them. */
function mendIndex(db: DatabaseSync): void {
  const verdict = (): unknown => db.prepare("PRAGMA integrity_check('records')").get()?.['integrity_check'];
  if (verdict() === 'ok') return;
  db.exec('REINDEX records');
  const left = verdict();
  if (left !== 'ok') throw new DamagedDatabaseError(String(left));
}

class DamagedDatabaseError extends Error {}

/** SQLITE_CORRUPT (11), SQLITE_NOTADB (26) and a schema that is not ours (1); not: no space, no permission, locked. */
function isDamage(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode;
  return error instanceof DamagedDatabaseError || code === 1 || (code !== undefined && [11, 26].includes(code & 0xff));
}

function replaceDamaged(path: string, reason: string, notify: (notice: DbNotice) => void): DatabaseSync {
  const aside = `${path}.damaged-${new Date().toISOString().replaceAll(':', '')}`;
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
  }
  syncDirectory(dirname(path));
  const db = openChecked(path);
  const { copied, isWhole } = salvage(aside, db);
  if (!isWhole) {
    setRecordAside(db, { kind: databaseKind, id: aside, reason: `it was damaged: ${reason}`, text: '' });
  }
  notify({
    level: 'error',
    message: 'the state database was damaged: it was set aside, and a new one was started with what could be read',
    fields: { reason, aside, salvagedRecords: copied },
  });
  return db;
}

/**
 * Copies the records of a damaged database as far as they can be read; gives their number, and whether they are all
 * that there were. What each of them is worth is found out afterwards.
 */
function salvage(from: string, to: DatabaseSync): { copied: number; isWhole: boolean } {
  let copied = 0;
  let isWhole = false;
  let old: DatabaseSync | undefined;
  inTransaction(to, () => {
    try {
      old = new DatabaseSync(from);
      const put = to.prepare('INSERT OR IGNORE INTO records (kind, id, version, crc, json) VALUES (?, ?, ?, ?, ?)');
      isWhole = old.prepare("PRAGMA quick_check('records')").get()?.['quick_check'] === 'ok';
      // By their places: the names may be damaged.
      const rows = old.prepare('SELECT * FROM records NOT INDEXED');
      rows.setReturnArrays(true);
      for (const row of rows.iterate() as Iterable<unknown> as Iterable<SQLOutputValue[]>) {
        put.run(...row.slice(0, 5));
        copied++;
      }
      copyAside(old, to);
    } catch {
      // The rest of the old file is beyond reading; it stays beside the new one.
      isWhole = false;
    } finally {
      old?.close();
    }
  });
  return { copied, isWhole };
}

function copyAside(old: DatabaseSync, to: DatabaseSync): void {
  const put = to.prepare(
    'INSERT INTO quarantine (kind, id, version, crc, json, reason, time_ns) VALUES (?, ?, ?, ?, ?, ?, ?)',
  );
  const rows = old.prepare(
    'SELECT kind, id, version, crc, json, reason, time_ns FROM quarantine WHERE settled_ns IS NULL',
  );
  rows.setReadBigInts(true);
  for (const row of rows.iterate()) {
    const { kind = null, id = null, version = null, crc = null, json = null } = row;
    put.run(kind, id, version, crc, json, String(row['reason']), row['time_ns'] ?? 0);
  }
}

function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
