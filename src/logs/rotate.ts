import { rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { delay } from '../base/async.ts';
import type { Logger } from '../base/log.ts';
import type { RotationLimits } from '../spec/contract/logs.ts';
import { systemCode } from '../sys/ffi/errors.ts';
import { ChangeWatch } from './change.ts';
import { noteCurrent } from './cuts.ts';
import { fileIdentity, identityOf, rotatedNumbers } from './log-file.ts';

/** Looks at the size at most this often: what comes in meanwhile is how far a log may exceed its limit. */
const LOOK_MS = 50;
/** So long a monitor may take to open its new file. */
const REOPEN_MS = 5000;

/** Keeps one log within its limits until `signal` aborts. */
export async function rotateForever(
  logPath: string,
  limits: RotationLimits,
  reopen: () => Promise<void>,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const change = new ChangeWatch(dirname(logPath));
  const onAbort = () => change.disarm();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    // Many runs are over before the first look.
    await delay(LOOK_MS, signal).catch(() => undefined);
    if (!signal.aborted) await finishRotation(logPath, reopen);
    let known: string | undefined;
    while (!signal.aborted) {
      const changed = change.arm();
      const file = await statLog(logPath);
      if (file !== undefined && file.identity !== known) await noteCurrent(logPath, false);
      known = file?.identity;
      const full = file !== undefined && file.size >= limits.maxBytes;
      if (full) known = await rotateLog(logPath, limits.maxFiles, reopen);
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

async function statLog(path: string): Promise<{ size: number; identity: string } | undefined> {
  try {
    const status = await stat(path, { bigint: true });
    return { size: Number(status.size), identity: identityOf(status) };
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Renames the files one step up, drops those beyond `maxFiles`, and lets the monitor begin a new file. Nothing is lost:
 * until it has, the monitor writes to the renamed file. Answers the new file's identity.
 */
export async function rotateLog(
  logPath: string,
  maxFiles: number,
  reopen: () => Promise<void>,
): Promise<string | undefined> {
  const keep = Math.max(1, maxFiles - 1);
  const numbers = await rotatedNumbers(logPath);
  for (const number of numbers.reverse()) {
    if (number >= keep) await unlink(`${logPath}.${number}`);
    else await rename(`${logPath}.${number}`, `${logPath}.${number + 1}`);
  }
  await rename(logPath, `${logPath}.1`);
  try {
    await reopen();
  } catch (error) {
    // The monitor is gone: its last file is the current one again.
    if ((await fileIdentity(logPath)) === undefined) await rename(`${logPath}.1`, logPath);
    throw error;
  }
  await appearance(logPath);
  await noteCurrent(logPath, true);
  if (maxFiles <= 1) await unlink(`${logPath}.1`);
  return fileIdentity(logPath);
}

/** An earlier engine may have been killed between renaming and reopening. */
async function finishRotation(logPath: string, reopen: () => Promise<void>): Promise<void> {
  const [newest] = await rotatedNumbers(logPath);
  if (newest !== 1 || (await fileIdentity(logPath)) !== undefined) return;
  await reopen();
  await appearance(logPath);
  await noteCurrent(logPath, true);
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
