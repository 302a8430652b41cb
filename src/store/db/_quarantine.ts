import type { DatabaseSync } from 'node:sqlite';
import { messageOf } from '../../base/errors.ts';
import type { AsideRecord } from '../../spec/contract/state.ts';
import { mendOneBit, type RawRecord, recordSum } from './_checksum.ts';
import type { DbNotice, RecordFault } from './_protocol.ts';
import { recordVersion } from './_schema.ts';

/** A row of `records` or `quarantine` as it lies on the disk. */
interface Row {
  readonly rowid: number;
  readonly kind: unknown;
  readonly id: unknown;
  readonly version: unknown;
  readonly crc: unknown;
  readonly json: unknown;
}

type Verdict = { readonly mended: RawRecord } | { readonly reason: string };

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Undefined for a sound row; else how it can be mended, or why it cannot be read. */
function judge({ kind, id, version, crc, json }: Row): Verdict | undefined {
  if (typeof version !== 'number' || version < 1 || version > recordVersion) {
    return { reason: `record version ${String(version)} is unknown` };
  }
  if (typeof kind !== 'string' || typeof id !== 'string' || typeof crc !== 'number' || !(json instanceof Uint8Array)) {
    return { reason: 'its columns have other types' };
  }
  const raw: RawRecord = { kind, id, crc, json };
  if (recordSum(version, raw) === crc) {
    const fault = textFault(json);
    return fault === undefined ? undefined : { reason: fault };
  }
  const mended = mendOneBit(version, raw);
  if (mended !== undefined && textFault(mended.json) === undefined) return { mended };
  return { reason: 'its checksum does not match' };
}

function textFault(json: Uint8Array): string | undefined {
  try {
    JSON.parse(decoder.decode(json));
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Without the index: it has copies of the keys, and one of the two may be damaged. */
const allRecords = 'SELECT rowid, kind, id, version, crc, CAST(json AS BLOB) AS json FROM records NOT INDEXED';
const openAside = `SELECT rowid, kind, id, version, crc, CAST(json AS BLOB) AS json FROM quarantine
  WHERE settled_ns IS NULL ORDER BY time_ns, rowid`;

export const putSql = `INSERT INTO records (kind, id, version, crc, json) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version, crc = excluded.crc, json = excluded.json`;

const moveSql = `INSERT INTO quarantine (kind, id, version, crc, json, reason, time_ns)
  SELECT kind, id, version, crc, json, ?, ? FROM records NOT INDEXED WHERE rowid = ?`;

const nowNs = (): bigint => BigInt(Date.now()) * 1_000_000n;

/** Writes a record in the newest form. */
export function putRecord(db: DatabaseSync, { kind, id, json }: Pick<RawRecord, 'kind' | 'id' | 'json'>): void {
  const sum = recordSum(recordVersion, { kind, id, json });
  db.prepare(putSql).run(kind, id, recordVersion, sum, decoder.decode(json));
}

export function inTransaction(db: DatabaseSync, work: () => void): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    work();
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/** What is wrong with the records as they lie on the disk. */
export function faultyRecords(db: DatabaseSync): (RecordFault & { readonly rowid: number; verdict: Verdict })[] {
  const faults: (RecordFault & { rowid: number; verdict: Verdict })[] = [];
  for (const row of db.prepare(allRecords).iterate() as Iterable<unknown> as Iterable<Row>) {
    const verdict = judge(row);
    if (verdict === undefined) continue;
    const reason = 'reason' in verdict ? verdict.reason : 'one of its bits had changed';
    faults.push({ rowid: row.rowid, kind: String(row.kind), id: String(row.id), reason, verdict, isMended: false });
  }
  return faults;
}

/**
 * Mends records of which one bit changed, and sets the other unreadable ones aside with `setAside`, else leaves them.
 * Gives all of them.
 */
export function mendRecords(db: DatabaseSync, setAside: boolean): RecordFault[] {
  const faults = faultyRecords(db);
  const done = faults.map(({ kind, id, reason, verdict }) => ({ kind, id, reason, isMended: 'mended' in verdict }));
  if (!done.some(({ isMended }) => isMended || setAside)) return done;
  // The index may hold the key as it was before; a row that it does not know could not be deleted.
  db.exec('REINDEX records');
  inTransaction(db, () => {
    for (const { rowid, reason, verdict } of faults) {
      if ('reason' in verdict) {
        if (!setAside) continue;
        db.prepare(moveSql).run(reason, nowNs(), rowid);
      }
      db.prepare('DELETE FROM records WHERE rowid = ?').run(rowid);
      if ('mended' in verdict) putRecord(db, verdict.mended);
    }
  });
  return done;
}

/** At the start: nothing is read afterwards that is not sound. Records that were set aside get another chance. */
export function sortRecords(db: DatabaseSync, notify: (notice: DbNotice) => void): void {
  for (const { kind, id, reason, isMended } of mendRecords(db, true)) {
    const message = isMended ? 'mended a record of which one bit had changed' : 'set an unreadable record aside';
    notify({ level: isMended ? 'warn' : 'error', message, fields: { kind, id, reason } });
  }
  retryAside(db, notify);
}

/** A newer engine may read what an older one could not; what was made anew meanwhile needs no other copy. */
function retryAside(db: DatabaseSync, notify: (notice: DbNotice) => void): void {
  for (const row of db.prepare(openAside).all() as unknown as Row[]) {
    const key = [String(row.kind), String(row.id)] as const;
    if (hasRecord(db, ...key)) {
      settleAside(db, [{ kind: key[0], id: key[1] }]);
      continue;
    }
    const verdict = judge(row);
    if (verdict !== undefined && !('mended' in verdict)) continue;
    const raw = verdict?.mended ?? { kind: key[0], id: key[1], json: row.json as Uint8Array };
    if (hasRecord(db, raw.kind, raw.id)) continue;
    inTransaction(db, () => {
      putRecord(db, raw);
      db.prepare('DELETE FROM quarantine WHERE rowid = ?').run(row.rowid);
    });
    notify({
      level: 'info',
      message: 'a record that was set aside is tried again',
      fields: { kind: raw.kind, id: raw.id },
    });
  }
}

const hasRecord = (db: DatabaseSync, kind: string, id: string): boolean =>
  db.prepare('SELECT 1 FROM records WHERE kind = ? AND id = ?').get(kind, id) !== undefined;

/** Moves a record, that its service cannot understand, out of the way; or notes one that is not there any more. */
export function setRecordAside(db: DatabaseSync, { kind, id, reason }: AsideRecord): void {
  inTransaction(db, () => {
    const row = db.prepare('SELECT rowid FROM records WHERE kind = ? AND id = ?').get(kind, id);
    if (row === undefined) {
      db.prepare('INSERT INTO quarantine (kind, id, reason, time_ns) VALUES (?, ?, ?, ?)').run(
        kind,
        id,
        reason,
        nowNs(),
      );
      return;
    }
    db.prepare(moveSql).run(reason, nowNs(), row['rowid'] ?? 0);
    db.prepare('DELETE FROM records WHERE rowid = ?').run(row['rowid'] ?? 0);
  });
}

/** What was set aside and is not settled yet, oldest first. */
export function asideRecords(db: DatabaseSync): AsideRecord[] {
  const rows = db.prepare(
    'SELECT kind, id, reason, json FROM quarantine WHERE settled_ns IS NULL ORDER BY time_ns, rowid',
  );
  return rows.all().map(({ kind, id, reason, json }) => ({
    kind: String(kind),
    id: String(id),
    reason: String(reason),
    text: typeof json === 'string' ? json : '',
  }));
}

/** What was set aside under these keys is dealt with; it is kept for a person to look at. */
export function settleAside(db: DatabaseSync, keys: readonly Pick<AsideRecord, 'kind' | 'id'>[]): void {
  inTransaction(db, () => {
    const settle = db.prepare(
      'UPDATE quarantine SET settled_ns = ? WHERE kind IS ? AND id IS ? AND settled_ns IS NULL',
    );
    for (const { kind, id } of keys) settle.run(nowNs(), kind, id);
  });
}
