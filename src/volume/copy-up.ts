import { chmod, chown, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { EngineError, type ErrorCode } from '../base/errors.ts';
import { createSubvolume } from '../sys/btrfs/subvolume.ts';
import { systemCode } from '../sys/ffi/errors.ts';
import { exchangePaths } from '../sys/file/exchange.ts';
import { O_PATH } from '../sys/paths/inroot.ts';
import { openInRootAsync } from '../sys/paths/paths.ts';
import { workerUrl } from '../sys/worker/url.ts';

export interface CopyTask {
  readonly from: string;
  readonly to: string;
  /** `to` is there, and gets what is in `from`; else it is made, as a copy of `from`. */
  readonly into: boolean;
}
export type CopyOutcome =
  | { readonly failed: false }
  | { readonly failed: true; readonly code: ErrorCode; readonly message: string };

export interface CopyUp {
  /** A descriptor of the directory to copy, from `openCopySource`. */
  readonly source: number;
  /** The volume's content. */
  readonly data: string;
  /** A place beside it that no container sees. */
  readonly staging: string;
  /** Nobody else has the volume mounted: the copy may take the place of `data` as a whole. */
  readonly exclusive: boolean;
  /** Something is mounted at `data`: nothing can be renamed into it. */
  readonly mounted: boolean;
}

const O_DIRECTORY = 0o200000;

/**
 * The directory at `path` inside a mounted root, as a descriptor that the caller closes; undefined when there is none.
 * Nothing outside the root is ever opened.
 */
export async function openCopySource(root: string, path: string): Promise<number | undefined> {
  try {
    return await openInRootAsync(root, path, O_PATH | O_DIRECTORY);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return undefined;
    throw error;
  }
}

/**
 * Fills an empty volume with the directory `source`, and gives it that directory's owner and mode (Docker's
 * copy-up). Nothing happens when the volume has content. What is copied appears in the
 * volume in one step, or entry by entry by rename: a container that has the volume mounted cannot divert it by links.
 */
export async function copyUp(request: CopyUp): Promise<void> {
  if ((await readdir(request.data)).length > 0) return;
  const from = `/proc/self/fd/${request.source}`;
  if ((await readdir(from)).length === 0) await copyOwner(from, request.data);
  else await fill(from, request);
}

async function fill(from: string, { data, staging, exclusive, mounted }: CopyUp): Promise<void> {
  if (mounted) {
    // Copied in place, and so only when nobody can interfere.
    if (!exclusive) return;
    await copyInWorker({ from: `${from}/.`, to: data, into: true });
    return copyOwner(from, data);
  }
  await rm(staging, { recursive: true, force: true });
  try {
    // On btrfs a volume is a subvolume: only another one can take its place, and nothing can be renamed into it.
    if (await createSubvolume(staging)) {
      if (!exclusive) return;
      await copyInWorker({ from: `${from}/.`, to: staging, into: true });
      await copyOwner(from, staging);
      await exchangePaths(staging, data);
      return;
    }
    await copyInWorker({ from: `${from}/.`, to: staging, into: false });
    if (exclusive) {
      await rename(staging, data);
      return;
    }
    await copyOwner(from, data);
    for (const name of await readdir(staging)) await rename(join(staging, name), join(data, name));
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function copyOwner(from: string, to: string): Promise<void> {
  const { uid, gid, mode } = await stat(from);
  await chown(to, uid, gid);
  await chmod(to, mode & 0o7777);
}

function copyInWorker(task: CopyTask): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const worker = new Worker(workerUrl(import.meta.url, 'volume-copy.worker'), {
    workerData: task,
    resourceLimits: { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 256 },
  });
  worker.on('message', (outcome: CopyOutcome) => {
    if (outcome.failed) reject(new EngineError(outcome.code, `cannot fill the volume: ${outcome.message}`));
    else resolve();
  });
  worker.on('error', reject);
  worker.on('exit', () => reject(new EngineError('internal', 'cannot fill the volume: the worker ended')));
  return promise;
}
