import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { JournalEvent } from '../../spec/engine/event.ts';
import { recordSum } from './_checksum.ts';
import type { EncodedChange, EncodedRecord, EventBounds, EventQuery, StoredRecord } from './_protocol.ts';
import { putSql } from './_quarantine.ts';
import { recordVersion } from './_schema.ts';

/** Old events are deleted when this many more than wanted are there: not with every commit. */
const trimSlack = 1000;

/** The state database itself, synchronous: it lives in the database worker. */
export class StateDatabase {
  readonly #db: DatabaseSync;
  readonly #retention: number;
  readonly #statements = new Map<string, StatementSync>();
  #untrimmed: number;

  /** `db` is sound and is closed with this; see `openSound`. */
  constructor(db: DatabaseSync, retention: number) {
    this.#retention = retention;
    this.#db = db;
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

  /** All records of a kind, ordered by id. Unreadable ones were set aside when the database was opened. */
  load(kind: string): StoredRecord[] {
    const rows = this.#prepare('SELECT id, json FROM records WHERE kind = ? ORDER BY id').all(kind);
    return rows.map(({ id, json }) => ({ id: String(id), json: String(json) }));
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
    else this.#prepare(putSql).run(kind, id, recordVersion, recordSum(recordVersion, { kind, id, json }), json);
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

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

function readAttributes(json: string): Record<string, string> {
  try {
    return JSON.parse(json) as Record<string, string>;
  } catch {
    return {};
  }
}
