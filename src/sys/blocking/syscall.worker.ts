import { parentPort } from 'node:worker_threads';
import { SystemError, systemCode } from '../ffi/errors.ts';
import type { BlockingReply, BlockingRequest } from './blocking.ts';
import { blockingCalls } from './calls.ts';

function answer(request: BlockingRequest): BlockingReply {
  try {
    const call = blockingCalls[request.name] as (...args: unknown[]) => unknown;
    return { value: call(...request.args) };
  } catch (error) {
    if (error instanceof SystemError) {
      return { failure: { errno: error.errno, syscall: error.syscall, path: error.path, message: error.message } };
    }
    const message = error instanceof Error ? error.message : String(error);
    return { failure: { errno: 0, syscall: '', path: undefined, message, code: systemCode(error) } };
  }
}

parentPort?.on('message', (requests: readonly BlockingRequest[]) => parentPort?.postMessage(requests.map(answer)));
