import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../base/errors.ts';
import { systemCode } from '../ffi/errors.ts';
import type { RemovalReply } from './remove-large-tree.ts';
import { removeTreeSync } from './remove-tree.ts';

// A thread that deletes one tree after the other.
const port = parentPort;
if (port === null) throw new Error('remove-tree.worker runs as a worker only');
port.on('message', (path: string) => {
  const reply = (answer: RemovalReply): void => port.postMessage(answer);
  try {
    removeTreeSync(path);
    reply({});
  } catch (error) {
    reply({ failure: { code: systemCode(error), message: messageOf(error) } });
  }
});
