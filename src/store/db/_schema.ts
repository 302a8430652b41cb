import type { DatabaseSync } from 'node:sqlite';

/**
 * Numbered migrations: the number of those applied is the database's `user_version`. A released one is never edited;
 * a change of the schema is a new one at the end.
 */
const migrations: readonly string[] = [
  `CREATE TABLE records (
     kind TEXT NOT NULL, id TEXT NOT NULL,
     version INTEGER NOT NULL,   -- how json is encoded, see recordVersion
     crc INTEGER NOT NULL,       -- CRC-32 of json: SQLite has no checksums of its own
     json TEXT NOT NULL,
     PRIMARY KEY (kind, id)
   );
   CREATE TABLE quarantine (
     kind TEXT, id TEXT, version INTEGER, crc INTEGER, json, reason TEXT NOT NULL, time_ns INTEGER NOT NULL
   );
   CREATE TABLE events (
     seq INTEGER PRIMARY KEY AUTOINCREMENT,
     time_ns INTEGER NOT NULL, type TEXT NOT NULL, action TEXT NOT NULL, actor_id TEXT NOT NULL,
     attributes TEXT NOT NULL
   );
   CREATE INDEX events_by_time ON events (time_ns);`,
  // Until somebody has settled it, content that a record may have named is not deleted.
  'ALTER TABLE quarantine ADD COLUMN settled_ns INTEGER',
];

/**
 * The encoding of records that this engine writes; higher ones were written by a newer engine. 1: the checksum is over
 * the text alone; 2: over kind and id too.
 */
export const recordVersion = 2;

/**
 * Brings the schema up to date, each step in its own transaction.
 * @throws Error when the database was migrated by a newer engine.
 */
export function migrate(db: DatabaseSync): void {
  const at = Number(db.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
  if (at > migrations.length) throw new NewerDatabaseError(at);
  for (let step = at; step < migrations.length; step++) {
    db.exec(`BEGIN IMMEDIATE; ${migrations[step]}; PRAGMA user_version = ${step + 1}; COMMIT`);
  }
}

/** The database belongs to a newer engine: it is sound, must not be touched, and this engine cannot start on it. */
export class NewerDatabaseError extends Error {
  constructor(version: number) {
    super(
      `the state database has schema ${version}, newer than this engine's ${migrations.length}: use a newer engine`,
    );
  }
}
