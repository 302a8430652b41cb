import { place } from '../../sys/file/place.ts';
import { mountImage, unmountAndRemove } from '../../sys/mount/mount.ts';
import type { SnapshotPaths } from './_directory.ts';

/** Where a container's changes go. */
export interface Writable {
  /** What the container wrote, and overlayfs's own; there between `open` and `close`. */
  readonly upper: string;
  readonly work: string;
  readonly limited: boolean;
  open(): Promise<void>;
  close(): Promise<void>;
}

/** Directories beside the list of layers: as large as the disk. */
export const unlimitedWritable = ({ upper, work }: SnapshotPaths): Writable => ({
  upper,
  work,
  limited: false,
  open: () => Promise.resolve(),
  close: () => Promise.resolve(),
});

/**
 * A file system of its own in a sparse file, mounted at `mountpoint` while it is needed: what is free in it is what the
 * container may still write, and `df` says so.
 */
export function limitedWritable({ disk }: SnapshotPaths, mountpoint: string): Writable {
  const [upper, work] = [`${mountpoint}/upper`, `${mountpoint}/work`];
  return {
    upper,
    work,
    limited: true,
    async open() {
      await place({ directories: [{ path: mountpoint, mode: 0o700 }] });
      await mountImage(disk, 'ext4', ['discard', ['errors', 'remount-ro']], mountpoint);
      await place({
        directories: [
          // The root of what the container sees has the mode of this directory.
          { path: upper, mode: 0o755 },
          { path: work, mode: 0o700 },
        ],
      });
    },
    close: () => unmountAndRemove(mountpoint),
  };
}
