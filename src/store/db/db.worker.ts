import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../base/errors.ts';
import { StateDatabase } from './_database.ts';
import type { DbAnswer, DbNotice, DbRequest, DbWorkerData } from './_protocol.ts';

// The thread in which every fsync of the state database happens: one request at a time, answered in order.
const { path, eventRetention } = workerData as DbWorkerData;
const port = parentPort;
if (port === null) throw new Error('db.worker runs as a worker only');

let notices: DbNotice[] = [];
const answer = (body: DistributiveOmit<DbAnswer, 'notices'>): void => {
  port.postMessage({ ...body, notices });
  notices = [];
};
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

const fail = (error: unknown): void => {
  // SQLITE_FULL is 13; an I/O error may carry ENOSPC's system code.
  const { errcode } = error as { errcode?: number };
  answer({ result: 'failed', code: errcode === 13 ? 'no-space' : 'internal', message: messageOf(error) });
};

function handle(database: StateDatabase, request: DbRequest): void {
  switch (request.op) {
    case 'commit':
      return answer({ result: 'committed', events: database.commit(request.changes) });
    case 'load':
      return answer({ result: 'records', records: database.load(request.kind) });
    case 'events':
      return answer({ result: 'events', events: database.readEvents(request.query) });
    case 'close':
      database.close();
      answer({ result: 'closed' });
      port?.close();
  }
}

try {
  const database = new StateDatabase(path, eventRetention, (notice) => notices.push(notice));
  answer({ result: 'opened' });
  port.on('message', (request: DbRequest) => {
    try {
      handle(database, request);
    } catch (error) {
      fail(error);
    }
  });
} catch (error) {
  fail(error);
}
