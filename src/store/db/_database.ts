import { chmodSync, closeSync, existsSync, fsyncSync, openSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { messageOf } from '../../base/errors.ts';
import type { JournalEvent } from '../../spec/engine/event.ts';
import type { DbNotice, EncodedChange, EncodedRecord, EventBounds, EventQuery, StoredRecord } from './_protocol.ts';
import { migrate, NewerDatabaseError, recordVersion } from './_schema.ts';

/** Old events are deleted when this many more than wanted are there: not with every commit. */
const trimSlack = 1000;

/** The state database itself, synchronous: it lives in the database worker (tests use it directly). */
export class StateDatabase {
  readonly #db: DatabaseSync;
  readonly #retention: number;
  readonly #notify: (notice: DbNotice) => void;
  readonly #statements = new Map<string, StatementSync>();
  #untrimmed: number;

  /** Opens or makes the database at `path`. A damaged file is set aside, and what can be read of it is taken over. */
  constructor(path: string, retention: number, notify: (notice: DbNotice) => void) {
    this.#retention = retention;
    this.#notify = notify;
    this.#db = openSound(path, notify);
    this.#untrimmed = trimSlack;
  }

  /** Runs all changes in one transaction; gives the numbered events of each. After an error nothing has changed. */
  commit(changes: readonly EncodedChange[]): JournalEvent[][] {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const numbered = changes.map((change) => {
        for (const record of change.records) this.#write(record);
        return change.events.map((event) => this.#append(event));
      });
      this.#trim(numbered.reduce((count, events) => count + events.length, 0));
      this.#db.exec('COMMIT');
      return numbered;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** All readable records of a kind, ordered by id; the others are moved to the table `quarantine`. */
  load(kind: string): StoredRecord[] {
    const rows = this.#prepare('SELECT id, version, crc, json FROM records WHERE kind = ? ORDER BY id').all(kind);
    const good: StoredRecord[] = [];
    for (const { id, version, crc, json } of rows) {
      const reason = unreadable(version, crc, json);
      if (reason === undefined) good.push({ id: String(id), json: String(json) });
      else this.#quarantine(kind, String(id), reason);
    }
    return good;
  }

  readEvents(query: EventQuery): JournalEvent[] {
    const statement = this.#prepare(
      `SELECT seq, time_ns, type, action, actor_id, attributes FROM events
       WHERE seq > ? AND time_ns >= ? AND time_ns <= ? ORDER BY seq LIMIT ?`,
    );
    statement.setReadBigInts(true);
    const rows = statement.all(
      query.afterSeq ?? 0,
      query.sinceNs ?? 0n,
      query.untilNs ?? 0x7fff_ffff_ffff_ffffn,
      query.limit,
    );
    return rows.map((row) => ({
      seq: Number(row['seq']),
      timeNs: row['time_ns'] as bigint,
      type: row['type'] as JournalEvent['type'],
      action: String(row['action']),
      actorId: String(row['actor_id']),
      attributes: readAttributes(String(row['attributes'])),
    }));
  }

  eventBounds(): EventBounds {
    const statement = this.#prepare(
      `SELECT seq, time_ns, (SELECT max(seq) FROM events) AS last FROM events ORDER BY seq LIMIT 1`,
    );
    statement.setReadBigInts(true);
    const row = statement.get();
    if (row === undefined) return { first: undefined, lastSeq: 0 };
    return { first: { seq: Number(row['seq']), timeNs: row['time_ns'] as bigint }, lastSeq: Number(row['last']) };
  }

  close(): void {
    this.#statements.clear();
    this.#db.close();
  }

  #write({ kind, id, json }: EncodedRecord): void {
    if (json === undefined) this.#prepare('DELETE FROM records WHERE kind = ? AND id = ?').run(kind, id);
    else putRecord(this.#prepare(putSql), kind, id, json);
  }

  #append(event: EncodedChange['events'][number]): JournalEvent {
    const { lastInsertRowid } = this.#prepare(
      'INSERT INTO events (time_ns, type, action, actor_id, attributes) VALUES (?, ?, ?, ?, ?)',
    ).run(event.timeNs, event.type, event.action, event.actorId, JSON.stringify(event.attributes));
    return { ...event, seq: Number(lastInsertRowid) };
  }

  #trim(added: number): void {
    this.#untrimmed += added;
    if (added === 0 || this.#untrimmed < trimSlack) return;
    this.#untrimmed = 0;
    this.#prepare('DELETE FROM events WHERE seq <= (SELECT max(seq) FROM events) - ?').run(this.#retention);
  }

  #quarantine(kind: string, id: string, reason: string): void {
    this.#db.exec('BEGIN IMMEDIATE');
    this.#prepare(
      `INSERT INTO quarantine SELECT kind, id, version, crc, json, ?, ? FROM records WHERE kind = ? AND id = ?`,
    ).run(reason, BigInt(Date.now()) * 1_000_000n, kind, id);
    this.#prepare('DELETE FROM records WHERE kind = ? AND id = ?').run(kind, id);
    this.#db.exec('COMMIT');
    this.#notify({ level: 'error', message: 'set an unreadable record aside', fields: { kind, id, reason } });
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

const putSql = `INSERT INTO records (kind, id, version, crc, json) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version, crc = excluded.crc, json = excluded.json`;

function putRecord(statement: StatementSync, kind: string, id: string, json: string): void {
  statement.run(kind, id, recordVersion, crc32(json), json);
}

/** Why a stored record cannot be used, or undefined when it is sound. */
function unreadable(version: unknown, crc: unknown, json: unknown): string | undefined {
  if (typeof version !== 'number' || version > recordVersion) return `record version ${String(version)} is unknown`;
  if (typeof json !== 'string') return 'it is not text';
  if (crc32(json) !== crc) return 'its checksum does not match';
  try {
    JSON.parse(json);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function readAttributes(json: string): Record<string, string> {
  try {
    return JSON.parse(json) as Record<string, string>;
  } catch {
    return {};
  }
}

function openSound(path: string, notify: (notice: DbNotice) => void): DatabaseSync {
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
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
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
  const salvaged = salvage(aside, db);
  notify({
    level: 'error',
    message: 'the state database was damaged: it was set aside, and a new one was started with what could be read',
    fields: { reason, aside, salvagedRecords: salvaged },
  });
  return db;
}

/** Copies the sound records of a damaged database as far as they can be read; gives their number. */
function salvage(from: string, to: DatabaseSync): number {
  let copied = 0;
  let old: DatabaseSync | undefined;
  to.exec('BEGIN IMMEDIATE');
  try {
    old = new DatabaseSync(from);
    const put = to.prepare(putSql);
    for (const row of old.prepare('SELECT kind, id, version, crc, json FROM records NOT INDEXED').iterate()) {
      if (unreadable(row['version'], row['crc'], row['json']) !== undefined) continue;
      putRecord(put, String(row['kind']), String(row['id']), String(row['json']));
      copied++;
    }
  } catch {
    // The rest of the old file is beyond reading; it stays beside the new one.
  } finally {
    old?.close();
  }
  to.exec('COMMIT');
  return copied;
}

function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
