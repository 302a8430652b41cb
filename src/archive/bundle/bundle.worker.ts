import { parentPort } from 'node:worker_threads';
import { EngineError } from '../../base/errors.ts';
import { JobPort, type JobTicket } from '../../sys/worker/job-port.ts';
import { SocketSink } from '../tree/socket-sink.ts';
import { writeBundle } from './_write.ts';
import type { BundleTask } from './bundle.ts';

const engine = parentPort;
if (engine === null) throw new EngineError('internal', 'bundle.worker runs as a worker only');
engine.on('message', (ticket: JobTicket) => {
  const port = new JobPort(ticket);
  const { members, socket } = ticket.task as BundleTask;
  port.finish(() =>
    writeBundle(members, socket === undefined ? port : new SocketSink(socket, () => port.checkCancelled()), () =>
      port.checkCancelled(),
    ),
  );
});
