import { chmod, mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { randomHex64 } from '../base/ids.ts';
import { syncDirectory } from '../sys/file/durable.ts';

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

/** Makes a volume disappear in one step, then deletes its content; `openVolumes` finishes that after a crash. */
export async function removeVolumeDirectory(directory: string, name: string): Promise<void> {
  const doomed = join(directory, `.removing-${randomHex64().slice(0, 16)}`);
  try {
    await rename(join(directory, name), doomed);
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return;
    throw error;
  }
  await syncDirectory(dirname(doomed));
  await rm(doomed, { recursive: true, force: true });
}
