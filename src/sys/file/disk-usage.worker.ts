import { parentPort } from 'node:worker_threads';
import { walkUsage } from './usage-walk.ts';
import type { UsageReply } from './usage.ts';

function answer(directory: string): UsageReply {
  try {
    return { bytes: walkUsage(directory) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { failure: { code, message } };
  }
}

parentPort?.on('message', (directory: string) => parentPort?.postMessage(answer(directory)));
