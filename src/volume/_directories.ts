import { chmod, mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EngineError } from '../base/errors.ts';
import { randomHex64 } from '../base/ids.ts';
import { syncDirectory } from '../sys/file/durable.ts';
import { unmount } from '../sys/mount/mount.ts';
import { readMountTable } from '../sys/mount/table.ts';

/** Sets a mode, whatever the umask was when the directory was made. */
export const ensureMode = (path: string, mode: number): Promise<void> => chmod(path, mode);

/** Makes the directories of a volume, durably; they may be there already. `_data` is what containers see. */
export async function makeVolumeDirectory(directory: string, name: string): Promise<void> {
  const path = join(directory, name);
  const data = join(path, '_data');
  const made = await mkdir(data, { recursive: true });
  await ensureMode(path, 0o701);
  // One that was there keeps the mode that its user gave it.
  if (made !== undefined) await ensureMode(data, 0o755);
  for (const changed of [path, directory]) await syncDirectory(changed);
}

/**
 * Makes a volume disappear in one step, then deletes its content; `openVolumes` finishes that after a crash.
 * What is mounted in it (a host's directory!) is never deleted: it is unmounted first. @throws conflict if it cannot be.
 */
export async function removeVolumeDirectory(directory: string, name: string): Promise<void> {
  const doomed = join(directory, `.removing-${randomHex64().slice(0, 16)}`);
  await unmountBelow(join(directory, name));
  try {
    await rename(join(directory, name), doomed);
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return;
    throw error;
  }
  await syncDirectory(dirname(doomed));
  await removeDoomed(doomed);
}

/** Deletes what an interrupted removal left. */
export async function removeDoomed(path: string): Promise<void> {
  await unmountBelow(path);
  await rm(path, { recursive: true, force: true });
}

async function unmountBelow(path: string): Promise<void> {
  const mounts = async (): Promise<string[]> =>
    (await readMountTable()).map((entry) => entry.target).filter((target) => target.startsWith(`${path}/`));
  for (const target of (await mounts()).reverse()) await unmount(target, { lazy: true });
  const left = await mounts();
  if (left.length > 0) throw new EngineError('conflict', `${left[0]} cannot be unmounted`);
}
