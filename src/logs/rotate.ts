import { rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { delay } from '../base/async.ts';
import type { Logger } from '../base/log.ts';
import type { RotationLimits } from '../spec/contract/logs.ts';
import { systemCode } from '../sys/ffi/errors.ts';
import { ChangeWatch } from './change.ts';
import { noteDropped } from './state.ts';
import { fileIdentity, isLeftOver, listFiles, PACKED, rotatedFiles } from './log-file.ts';
import { readCursor } from './shipping/cursor.ts';

/** Looks at the size at most this often: what comes in meanwhile is how far a log may exceed its limit. */
const LOOK_MS = 50;
/** So long a monitor may take to open its new file. */
const REOPEN_MS = 5000;

/** Has a log's files to itself while a task runs. */
export interface Exclusive {
  run<T>(task: () => Promise<T>): Promise<T>;
}

/** Keeps one log within its limits, its files to itself under `mutex`, until `signal` aborts. */
export async function rotateForever(
  logPath: string,
  limits: RotationLimits,
  aid: RotationAid & { readonly mutex: Exclusive; readonly rotated: () => void },
  signal: AbortSignal,
): Promise<void> {
  const { log, mutex } = aid;
  const change = new ChangeWatch(dirname(logPath));
  const onAbort = () => change.disarm();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    // Many runs are over before the first look.
    await delay(LOOK_MS, signal).catch(() => undefined);
    if (!signal.aborted) await mutex.run(() => finishRotation(logPath, aid.reopen));
    aid.rotated();
    while (!signal.aborted) {
      const changed = change.arm();
      const full = (await sizeOf(logPath)) >= limits.maxBytes;
      if (full) await mutex.run(() => rotateLog(logPath, limits.maxFiles, aid));
      if (full) aid.rotated();
      if (full || signal.aborted) change.disarm();
      await changed;
      await delay(LOOK_MS, signal).catch(() => undefined);
    }
  } catch (error) {
    log.warn('a log is not rotated any more', { log: logPath, error });
  } finally {
    signal.removeEventListener('abort', onAbort);
    change.disarm();
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 0;
    throw error;
  }
}

/** As many times `maxFiles` files are kept at most while a log driver has not sent them. */
const HELD_FACTOR = 4;

/** What rotation looks at besides the size. */
export interface RotationAid {
  /** Makes the monitor begin a new file. */
  readonly reopen: () => Promise<void>;
  /** A log driver reads the files at its own pace: those that it has not sent stay, within a bound. */
  readonly held: boolean;
  readonly log: Logger;
}

/**
 * Renames the files one step up, drops those beyond `maxFiles`, and lets the monitor begin a new file. Nothing is lost:
 * until it has, the monitor writes to the renamed file.
 */
export async function rotateLog(logPath: string, maxFiles: number, aid: RotationAid): Promise<void> {
  // The current file counts among the files, and one rotated file is there for a moment at least.
  const keep = Math.max(1, maxFiles - 1);
  const files = await rotatedFiles(logPath);
  const needed = aid.held ? await neededNumber(logPath) : 0;
  const limit = Math.min(Math.max(keep, needed + 1), Math.max(keep, maxFiles * HELD_FACTOR));
  // The file that the driver is at is open: what it has not begun is lost.
  const lost = files.filter(
    (file, index) => file.number >= limit && file.number < needed && !isLeftOver(file, index, files),
  ).length;
  if (lost > 0) {
    aid.log.warn('a log grew faster than its driver could send it: files were dropped', { log: logPath, files: lost });
    await noteDropped(logPath, lost);
  }
  for (const { number, path, packed } of files.reverse()) {
    if (number >= limit) await unlink(path);
    else await rename(path, `${logPath}.${number + 1}${packed ? PACKED : ''}`);
  }
  await rename(logPath, `${logPath}.1`);
  try {
    await aid.reopen();
  } catch (error) {
    // The monitor is gone: its last file is the current one again.
    if ((await fileIdentity(logPath)) === undefined) await rename(`${logPath}.1`, logPath);
    throw error;
  }
  await appearance(logPath);
  if (maxFiles <= 1 && limit <= 1) await unlink(`${logPath}.1`);
}

/** The number of the file that the log's driver is at (0 is the current one); one more than all when that is gone. */
async function neededNumber(logPath: string): Promise<number> {
  const { stdout, stderr } = readCursor(logPath);
  const files = await listFiles(logPath);
  const oldest = files.at(-1)?.number ?? 0;
  const numbers = [stdout, stderr].map((place) => {
    const file = files.find(({ identity }) => identity === place?.file);
    return file === undefined ? oldest + 1 : file.number;
  });
  return Math.max(...numbers);
}

/**
 * Throws everything away that was written so far. With `reopen` a monitor goes on writing, to a new file; followers and
 * drivers go on with that.
 */
export async function clearLog(logPath: string, reopen: (() => Promise<void>) | undefined): Promise<void> {
  if (reopen === undefined) await unlinkAll([logPath, ...(await rotatedPaths(logPath))]);
  else if ((await fileIdentity(logPath)) !== undefined) {
    await rename(logPath, `${logPath}.1`);
    try {
      await reopen();
    } catch (error) {
      if ((await fileIdentity(logPath)) === undefined) await rename(`${logPath}.1`, logPath);
      throw error;
    }
    await appearance(logPath);
    await unlinkAll(await rotatedPaths(logPath));
  }
}

const rotatedPaths = async (logPath: string): Promise<string[]> =>
  (await rotatedFiles(logPath)).map(({ path }) => path);

async function unlinkAll(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await unlink(path).catch((error: unknown) => {
      if (systemCode(error) !== 'ENOENT') throw error;
    });
  }
}

/** An earlier engine may have been killed between renaming and reopening. */
async function finishRotation(logPath: string, reopen: () => Promise<void>): Promise<void> {
  const [newest] = await rotatedFiles(logPath);
  if (newest?.number !== 1 || newest.packed || (await fileIdentity(logPath)) !== undefined) return;
  await reopen();
  await appearance(logPath);
}

async function appearance(logPath: string): Promise<void> {
  const change = new ChangeWatch(dirname(logPath));
  const end = performance.now() + REOPEN_MS;
  while (performance.now() < end) {
    const changed = change.arm();
    if ((await fileIdentity(logPath)) !== undefined) {
      change.disarm();
      return;
    }
    await Promise.race([changed, delay(100)]);
  }
  change.disarm();
  throw new Error(`the monitor did not reopen ${logPath}`);
}
