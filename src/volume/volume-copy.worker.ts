import { parentPort, workerData } from 'node:worker_threads';
import { codeOf, messageOf } from '../base/errors.ts';
import { copyInto, copyTree } from './_copy.ts';
import type { CopyOutcome, CopyTask } from './copy-up.ts';

// Copies one tree and ends.
const { from, to, into } = workerData as CopyTask;
let outcome: CopyOutcome = { failed: false };
try {
  (into ? copyInto : copyTree)(Buffer.from(from), Buffer.from(to));
} catch (error) {
  outcome = { failed: true, code: codeOf(error), message: messageOf(error) };
}
parentPort?.postMessage(outcome);
