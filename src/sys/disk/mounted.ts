/** What is done to mounted disks (`make.ts`), as the rooms use it: every call runs in the syscall worker. */
import { callBlocking } from '../blocking/blocking.ts';

/** Runs `task` while nothing is written to the file system of a directory. */
export async function whileFileSystemFrozen<T>(path: string, task: () => Promise<T>): Promise<T> {
  await callBlocking('freezeFileSystem', path);
  try {
    return await task();
  } finally {
    await callBlocking('thawFileSystem', path);
  }
}

/** Ends what a killed engine left of `whileFileSystemFrozen`. @throws SystemError. */
export const thawFileSystem = (path: string): Promise<void> => callBlocking('thawFileSystem', path);

/** Lets the ext4 that is mounted at `path` and lies in `file` fill that file, which has become larger. @throws SystemError. */
export const growDisk = (path: string, file: string, bytes: number): Promise<void> =>
  callBlocking('growDisk', path, file, bytes);

/**
 * Gives the kernel the key of encrypted directories of the file system of `path`, for as long as that is mounted. The
 * key is overwritten. `encrypt`: the empty directory of this path is encrypted from now on.
 * @throws SystemError `EOPNOTSUPP` or `ENOTTY` where there is no encryption.
 */
export const unlockDirectories = (path: string, key: Uint8Array, encrypt?: string): Promise<void> =>
  callBlocking('unlockDirectories', path, key, encrypt).finally(() => key.fill(0));
