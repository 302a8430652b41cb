import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../base/errors.ts';
import type { DatabaseSync } from 'node:sqlite';
import { checkDatabase } from './_check.ts';
import { StateDatabase } from './_database.ts';
import type { JournalEvent } from '../../spec/engine/event.ts';
import type { DbAnswer, DbNotice, DbRequest, DbWorkerData, EncodedChange } from './_protocol.ts';
import { asideRecords, setRecordAside, settleAside } from './_quarantine.ts';
import { SpaceReserve } from './_reserve.ts';
import { DatabaseRoom } from './_room.ts';
import { openSound } from './_sound.ts';

// The thread in which every fsync of the state database happens: one request at a time, answered in order.
const data = workerData as DbWorkerData;
const port = parentPort;
if (port === null) throw new Error('db.worker runs as a worker only');

let notices: DbNotice[] = [];
const answer = (body: DistributiveOmit<DbAnswer, 'notices'>): void => {
  port.postMessage({ ...body, notices });
  notices = [];
};
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** SQLITE_FULL, and SQLITE_IOERR with its kinds: a full disk shows as either. */
const isFull = (error: unknown): boolean => {
  const { errcode } = error as { errcode?: number };
  return errcode !== undefined && (errcode === 13 || (errcode & 0xff) === 10);
};

const fail = (error: unknown): void =>
  answer({ result: 'failed', code: isFull(error) ? 'no-space' : 'internal', message: messageOf(error) });

const reserve = new SpaceReserve(`${data.path}.reserve`);
/** When to look again for room for the reserve; infinite while it is there. */
let refillAtMs = Number.POSITIVE_INFINITY;
const refillEveryMs = 1000;
let room: DatabaseRoom | undefined;
/** So many commits take only a part of the free pages. */
const commitsBetweenRefills = 64;
let commits = 0;

function commit(database: StateDatabase, changes: readonly EncodedChange[]): JournalEvent[][] {
  if (performance.now() >= refillAtMs) {
    refillAtMs = reserve.fill() ? Number.POSITIVE_INFINITY : performance.now() + refillEveryMs;
  }
  try {
    const events = database.commit(changes);
    if (++commits % commitsBetweenRefills === 0) room?.refill();
    return events;
  } catch (error) {
    if (!isFull(error) || !reserve.giveUp()) throw error;
    notices.push({ level: 'warn', message: 'the disk is full: using the reserve of the state database', fields: {} });
    refillAtMs = performance.now() + refillEveryMs;
    return database.commit(changes);
  }
}

function handle(database: StateDatabase, db: DatabaseSync, request: DbRequest): void {
  switch (request.op) {
    case 'commit':
      return answer({ result: 'committed', events: commit(database, request.changes) });
    case 'load':
      return answer({ result: 'records', records: database.load(request.kind) });
    case 'events':
      return answer({ result: 'events', events: database.readEvents(request.query) });
    case 'bounds':
      return answer({ result: 'bounds', bounds: database.eventBounds() });
    case 'kinds': {
      const kinds = db.prepare('SELECT DISTINCT kind FROM records').all();
      return answer({ result: 'kinds', kinds: kinds.map(({ kind }) => String(kind)) });
    }
    case 'aside':
      return answer({ result: 'aside', records: asideRecords(db) });
    case 'set-aside':
      setRecordAside(db, request.record);
      return answer({ result: 'aside', records: asideRecords(db) });
    case 'settle':
      settleAside(db, request.records);
      return answer({ result: 'aside', records: asideRecords(db) });
    case 'check':
      return answer({ result: 'checked', report: checkDatabase(db, request.repair) });
    case 'close':
      database.close();
      room?.close();
      answer({ result: 'closed' });
      port?.close();
  }
}

try {
  const db = openSound(data, (notice) => notices.push(notice));
  const database = new StateDatabase(db, data.eventRetention);
  room = new DatabaseRoom(db, data.path, reserve);
  if (!reserve.fill()) refillAtMs = performance.now() + refillEveryMs;
  answer({ result: 'opened' });
  port.on('message', (request: DbRequest) => {
    try {
      handle(database, db, request);
    } catch (error) {
      fail(error);
    }
  });
} catch (error) {
  fail(error);
}
