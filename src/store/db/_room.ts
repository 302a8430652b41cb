import { closeSync, fstatSync, openSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { preallocate } from '../../sys/file/preallocate.ts';
import { hasRoom, type SpaceReserve } from './_reserve.ts';

/** Pages of the log after which SQLite folds it into the database: 2 MiB. */
const foldAfterPages = 500;
/** What the log takes on the disk from the start: more than it grows to between two foldings. */
const logBytes = 3 << 20;
/** Free pages in the database file: new records and events take these first. */
const freeBytes = 1 << 20;
const fewFreeBytes = freeBytes / 2;
const pageBytes = 4096;

/**
 * Room on the disk that is the database's already: a commit writes to the log, in place once the log has been folded,
 * and folding writes to pages that the database file has. So commits need no new blocks, and go on while somebody else
 * (a container's log, say) takes every block that comes free. On file systems that write nothing in place (btrfs) only
 * the reserve helps.
 */
export class DatabaseRoom {
  readonly #db: DatabaseSync;
  readonly #path: string;
  /** Kept until the database is closed: closing it would let go of SQLite's own locks on the file (fcntl(2)). */
  readonly #log: number;

  /** For an open database; on a full disk the log takes the room of `reserve`. */
  constructor(db: DatabaseSync, path: string, reserve: SpaceReserve) {
    this.#db = db;
    this.#path = path;
    db.exec(`PRAGMA wal_autocheckpoint = ${foldAfterPages}`);
    this.#log = openSync(`${path}-wal`, 'r+');
    if (!this.#takeLog() && reserve.giveUp()) this.#takeLog();
    this.refill();
  }

  /** Makes free pages in the file, when there are few and the disk has room. */
  refill(): void {
    const free = Number(this.#db.prepare('PRAGMA freelist_count').get()?.['freelist_count'] ?? 0) * pageBytes;
    if (free >= fewFreeBytes || !hasRoom(this.#path, 4 * freeBytes)) return;
    // Written out before they are free: what was never written takes no blocks.
    this.#db.exec(`CREATE TABLE IF NOT EXISTS room (filler);
      INSERT INTO room VALUES (zeroblob(${freeBytes}));
      PRAGMA wal_checkpoint(PASSIVE);
      DROP TABLE room`);
  }

  /** After the database was closed. */
  close(): void {
    closeSync(this.#log);
  }

  #takeLog(): boolean {
    try {
      if (fstatSync(this.#log).blocks * 512 < logBytes) preallocate(this.#log, logBytes);
      return true;
    } catch {
      return false;
    }
  }
}
