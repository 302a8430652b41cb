import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EngineError } from '../base/errors.ts';
import { randomHex64 } from '../base/ids.ts';
import { lockFile } from '../sys/lock/flock.ts';
import type { EngineConfig } from './config.ts';

/** 0710: the group of the socket may pass through, nobody may list (CVE-2021-41091). */
const rootMode = 0o710;

/**
 * Makes the roots of the engine and takes the lock that only one engine a data root can have; released by `release`, and
 * by the end of the process. @throws conflict when another engine has it.
 */
export async function claimRoots(config: EngineConfig): Promise<{ release(): void }> {
  for (const root of [config.dataRoot, config.execRoot]) {
    await mkdir(root, { recursive: true, mode: rootMode });
    await chmod(root, rootMode);
  }
  for (const name of ['containers']) {
    await mkdir(`${config.dataRoot}/${name}`, { recursive: true, mode: 0o700 });
    await mkdir(`${config.execRoot}/${name}`, { recursive: true, mode: 0o700 });
  }
  // Empty, always: where monitors of containers with a user namespace see their container's root.
  await mkdir(`${config.execRoot}/rootfs`, { recursive: true, mode: 0o755 });
  const lock = lockFile(`${config.dataRoot}/engine.lock`);
  if (lock === undefined) {
    throw new EngineError('conflict', `another engine is running with the data root ${config.dataRoot}`);
  }
  return lock;
}

/** The id of this engine, kept in the data root: what `docker info` shows. */
export async function engineId(dataRoot: string): Promise<string> {
  const path = `${dataRoot}/engine-id`;
  try {
    const id = (await readFile(path, 'utf8')).trim();
    if (id !== '') return id;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const id = randomHex64().slice(0, 32);
  await writeFile(path, `${id}\n`, { mode: 0o600 });
  return id;
}

/** Writes the process id for whoever manages the engine; `undefined` path means nobody does. */
export async function writePidfile(path: string | undefined): Promise<() => Promise<void>> {
  if (path === undefined) return async () => undefined;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, String(process.pid), { mode: 0o644 });
  return () => rm(path, { force: true });
}
