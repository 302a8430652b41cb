import { constants } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { codeOf, EngineError, messageOf } from '../../base/errors.ts';
import { closeFd, openFd } from '../../sys/ffi/descriptor.ts';
import { syncFileSystem } from '../../sys/file/at.ts';
import type { CopyStep, CopyStepOutcome, TreeCopyTask } from './copy.ts';
import { TreeCopier } from './tree.ts';

// Copies one tree, step by step.
const { from, to, cancelled } = workerData as TreeCopyTask;
const { O_DIRECTORY, O_RDONLY } = constants;
const wanted = (): void => {
  if (Atomics.load(cancelled, 0) !== 0) throw new EngineError('cancelled', 'the operation was cancelled');
};

let copier: TreeCopier | undefined;
const opened: number[] = [];

function open(path: string): number {
  const fd = openFd(path, O_RDONLY | O_DIRECTORY);
  opened.push(fd);
  return fd;
}

const steps: Readonly<Record<CopyStep, () => void>> = {
  copy() {
    copier = new TreeCopier(open(from), open(to), wanted);
    copier.copy();
  },
  /** What was written through a mapping of memory shows in a file's change time from here on. */
  flush: () => syncOf(from),
  settle: () => copier?.settle(),
  sync: () => syncOf(to),
  close() {
    for (const fd of opened.splice(0)) closeFd(fd);
  },
};

function syncOf(path: string): void {
  const fd = openFd(path, O_RDONLY | O_DIRECTORY);
  try {
    syncFileSystem(fd);
  } finally {
    closeFd(fd);
  }
}

parentPort?.on('message', (step: CopyStep) => {
  let outcome: CopyStepOutcome = { failed: false };
  try {
    steps[step]();
  } catch (error) {
    outcome = { failed: true, code: codeOf(error), message: messageOf(error) };
  }
  parentPort?.postMessage(outcome);
});
