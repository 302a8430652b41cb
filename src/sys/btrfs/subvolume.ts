/** Subvolumes of btrfs, as the rooms use them: every call runs in the syscall worker. */
import { callBlocking } from '../blocking/blocking.ts';

/** Makes an empty subvolume (mode 0777 less the umask); false where the file system is not btrfs. @throws SystemError. */
export const createSubvolume = (path: string): Promise<boolean> => callBlocking('createSubvolume', path);

/**
 * Makes a snapshot of a subvolume, as it is at one moment, to be written to. False when there is none that would have all
 * of it: `from` is no subvolume or has others inside, `to` is on another file system. @throws SystemError.
 */
export const snapshotSubvolume = (from: string, to: string): Promise<boolean> =>
  callBlocking('snapshotSubvolume', from, to);

/** Deletes subvolumes up to `depth` levels below a directory, without walking through them; others stay. */
export const destroySubvolumes = (path: string, depth: number): Promise<void> =>
  callBlocking('destroySubvolumes', path, depth);
