import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../base/errors.ts';
import { systemCode } from '../ffi/errors.ts';
import { chownWalk } from './chown-walk.ts';
import type { ChownReply, ChownTask } from './chown-tree.ts';

// A thread that walks one tree after the other.
const port = parentPort;
if (port === null) throw new Error('chown-tree.worker runs as a worker only');
port.on('message', (task: ChownTask) => {
  const reply = (answer: ChownReply): void => port.postMessage(answer);
  try {
    reply({ changed: chownWalk(task) });
  } catch (error) {
    reply({ changed: 0, failure: { code: systemCode(error), message: messageOf(error) } });
  }
});
