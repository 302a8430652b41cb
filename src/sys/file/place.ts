/**
 * Small changes to the engine's own directories. Each call is one trip to the syscall worker: as promises of node:fs
 * the same steps cost five times the processor time, one trip to a thread for every open, write and close.
 */
import { closeSync, fsync } from 'node:fs';
import { promisify } from 'node:util';
import { callBlocking } from '../blocking/blocking.ts';
import type { Placement } from './place-calls.ts';
import { removeLargeTree } from './remove-large-tree.ts';

export type { Placement } from './place-calls.ts';

const sync = promisify(fsync);

/**
 * Makes directories, then files in them; files that must be durable are on disk when it resolves. Whoever calls cleans
 * up after a failure. @throws system errors of node:fs.
 */
export async function place(placement: Placement): Promise<void> {
  // The sync waits for the disk, so not in the syscall worker.
  const unsynced = await callBlocking('place', placement);
  try {
    await Promise.all(unsynced.map((fd) => sync(fd)));
  } finally {
    for (const fd of unsynced) closeSync(fd);
  }
}

/** Deletes files, and directories with everything in them; what does not exist is no error. Links are deleted, never followed. */
export async function removeTrees(paths: readonly string[]): Promise<void> {
  const left = await callBlocking('removeSmallTrees', paths);
  await Promise.all(left.map(removeLargeTree));
}
