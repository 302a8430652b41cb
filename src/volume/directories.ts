import { chmod, chown, lstat, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EngineError } from '../base/errors.ts';
import { randomHex64 } from '../base/ids.ts';
import { createSubvolume, destroySubvolumes } from '../sys/btrfs/subvolume.ts';
import { syncDirectory } from '../sys/file/durable.ts';
import { unmount } from '../sys/mount/mount.ts';
import { readMountTable } from '../sys/mount/table.ts';

/** Sets a mode, whatever the umask was when the directory was made. */
export const ensureMode = (path: string, mode: number): Promise<void> => chmod(path, mode);

/** Makes the directories of a volume, durably; they may be there already. `_data` is what containers see. */
export async function makeVolumeDirectory(directory: string, name: string): Promise<void> {
  const path = join(directory, name);
  const data = join(path, '_data');
  await mkdir(path, { recursive: true });
  const made = await makeData(data);
  await ensureMode(path, 0o701);
  // One that was there keeps the mode that its user gave it.
  if (made) await ensureMode(data, 0o755);
  for (const changed of [path, directory]) await syncDirectory(changed);
}

/** Makes the directory for a volume's content, a subvolume on btrfs: it is copied at once then. False when it is there. */
async function makeData(path: string): Promise<boolean> {
  if ((await lstat(path).catch(() => undefined)) !== undefined) return false;
  if (!(await createSubvolume(path))) await mkdir(path);
  return true;
}

/** Makes an unfinished volume: a directory without a name of its own, which the next boot deletes. Gives its name. */
export async function makeStage(directory: string): Promise<string> {
  const name = `.staging-${randomHex64().slice(0, 16)}`;
  await mkdir(join(directory, name), { mode: 0o701 });
  await ensureMode(join(directory, name), 0o701);
  return name;
}

/** Where snapshots of a volume are, below its directory. */
export const snapshotsFolder = '_snapshots';

/**
 * Puts a new empty directory in the place of one that something was mounted at. With the old one that mount goes from the
 * copies of the host's mounts that monitors live in, which an unmount reaches below shared mounts only: there it would
 * keep a device busy. One that is not empty stays, and one at which still something is mounted.
 */
export async function renewDirectory(path: string): Promise<void> {
  const fresh = join(dirname(path), '.fresh');
  // A crash may have left it.
  await mkdir(fresh, { recursive: true });
  try {
    const { uid, gid, mode } = await stat(path);
    await chown(fresh, uid, gid);
    await chmod(fresh, mode & 0o7777);
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    const { code = '' } = error as { code?: string };
    if (!['ENOTEMPTY', 'EEXIST', 'EBUSY'].includes(code)) throw error;
  }
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

/** A volume's content, and in a folder that of its snapshots. */
const levelsOfSubvolumes = 3;

/** Deletes what an interrupted removal left. */
export async function removeDoomed(path: string): Promise<void> {
  await unmountBelow(path);
  await destroySubvolumes(path, levelsOfSubvolumes);
  await rm(path, { recursive: true, force: true });
}

async function unmountBelow(path: string): Promise<void> {
  const mounts = async (): Promise<string[]> =>
    (await readMountTable()).map((entry) => entry.target).filter((target) => target.startsWith(`${path}/`));
  for (const target of (await mounts()).reverse()) await unmount(target, { lazy: true });
  const left = await mounts();
  if (left.length > 0) throw new EngineError('conflict', `${left[0]} cannot be unmounted`);
}
