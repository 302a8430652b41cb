import { findMke2fs } from '../sys/disk/mke2fs.ts';
import type { StorageSupport } from '../store/support.ts';

const erofsWords = {
  'file-direct': 'EROFS images, mounted from their files with direct I/O',
  file: 'EROFS images, mounted from their files',
  loop: 'EROFS images, mounted through loop devices',
} as const;

/**
 * `DriverStatus` of `/info`: Docker's rows of its overlay driver, as far as they hold here, and how layers are kept. The
 * rows say what was tried at the start of the engine; without types of entries it would not have started. `driver-type` is
 * what buildx takes for an image store that has indexes (several platforms, statements), and lets `--load` and compose
 * have them.
 */
export function storageStatus({ kind, erofs, overlay, backingFileSystem }: StorageSupport): [string, string][] {
  return [
    ['driver-type', 'io.containerd.snapshotter.v1'],
    ['Backing Filesystem', backingFileSystem],
    ['Supports d_type', 'true'],
    ['Using metacopy', 'false'],
    ['Native Overlay Diff', 'true'],
    ['userxattr', 'false'],
    ['Layers', kind === 'erofs' && erofs !== undefined ? erofsWords[erofs] : 'directories'],
    ['Writable Layer Limits', findMke2fs() === undefined ? 'none: mke2fs is not installed' : 'ext4 in a sparse file'],
    ['Overlay Mounts', overlay === 'append' ? 'fsconfig(2), layer by layer' : 'mount(2), by relative links'],
  ];
}
