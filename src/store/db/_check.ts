import type { DatabaseSync } from 'node:sqlite';
import type { DbCheck } from './_protocol.ts';
import { faultyRecords, mendRecords } from './_quarantine.ts';

/** So many lines of SQLite's own check are told. */
const mostFaults = 20;

/** Reads the whole file: SQLite's own check, and the checksum of every record. `repair` mends records, and the index. */
export function checkDatabase(db: DatabaseSync, repair: boolean): DbCheck {
  const count = (table: 'records' | 'events'): number =>
    Number(db.prepare(`SELECT count(*) AS n FROM ${table} NOT INDEXED`).get()?.['n'] ?? 0);
  const faults = (): string[] => {
    const rows = db.prepare(`PRAGMA integrity_check(${mostFaults})`).all();
    return rows.map((row) => String(row['integrity_check'])).filter((line) => line !== 'ok');
  };
  let found = faults();
  // An index is made of its table.
  if (repair && found.length > 0) {
    db.exec('REINDEX');
    found = faults();
  }
  const badRecords = repair
    ? mendRecords(db, false)
    : faultyRecords(db).map(({ kind, id, reason }) => ({ kind, id, reason, isMended: false }));
  return { records: count('records'), events: count('events'), faults: found, badRecords };
}
