/** Subvolumes of btrfs (kernel: include/uapi/linux/btrfs.h), for the syscall worker. */
import { constants, fstatSync, readdirSync, statfsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { closeFd, openFd } from '../ffi/descriptor.ts';
import { check, systemCode } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, { ioctl: { arguments: ['i32', 'u64', 'pointer'], return: 'i32' } });

const BTRFS_SUPER_MAGIC = 0x9123683e;
/** The inode number of every subvolume's top. */
const BTRFS_FIRST_FREE_OBJECTID = 256;
const BTRFS_IOC_SNAP_CREATE = 0x50009401n;
const BTRFS_IOC_SUBVOL_CREATE = 0x5000940en;
const BTRFS_IOC_SNAP_DESTROY = 0x5000940fn;
const BTRFS_IOC_GET_SUBVOL_ROOTREF = 0xd000943dn;
/** struct btrfs_ioctl_vol_args: a descriptor, and a name of at most 4,087 bytes. */
const VOL_ARGS_BYTES = 4096;
const NAME_OFFSET = 8;
/** struct btrfs_ioctl_get_subvol_rootref_args: num_items behind 8 bytes and 255 pairs of 16. */
const NUM_ITEMS_OFFSET = 8 + 255 * 16;
const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

function within<T>(path: string, work: (fd: number) => T): T {
  const fd = openFd(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    return work(fd);
  } finally {
    closeFd(fd);
  }
}

function named(name: string, fd = 0): Buffer {
  const args = Buffer.alloc(VOL_ARGS_BYTES);
  args.writeBigInt64LE(BigInt(fd), 0);
  args.write(name, NAME_OFFSET, VOL_ARGS_BYTES - NAME_OFFSET - 1);
  return args;
}

/** Makes an empty subvolume at a path; false when the file system is another one. @throws SystemError. */
export function createSubvolume(path: string): boolean {
  const parent = dirname(path);
  if (statfsSync(parent).type !== BTRFS_SUPER_MAGIC) return false;
  within(parent, (fd) => check(libc.ioctl(fd, BTRFS_IOC_SUBVOL_CREATE, named(basename(path))), 'SUBVOL_CREATE', path));
  return true;
}

/**
 * Makes a snapshot of the subvolume `from` at `to`, to be written to. False when `from` is none, or has others inside, which a
 * snapshot would leave out, or when `to` is elsewhere. @throws SystemError.
 */
export function snapshotSubvolume(from: string, to: string): boolean {
  return within(from, (source) => {
    if (!isSubvolume(source, from) || holdsOthers(source)) return false;
    return within(dirname(to), (parent) => {
      try {
        check(libc.ioctl(parent, BTRFS_IOC_SNAP_CREATE, named(basename(to), source)), 'SNAP_CREATE', to);
        return true;
      } catch (error) {
        if (systemCode(error) === 'EXDEV') return false;
        throw error;
      }
    });
  });
}

const isSubvolume = (fd: number, path: string): boolean =>
  fstatSync(fd).ino === BTRFS_FIRST_FREE_OBJECTID && statfsSync(path).type === BTRFS_SUPER_MAGIC;

/** Where the kernel does not tell (before Linux 4.18), there may be some. */
function holdsOthers(fd: number): boolean {
  const args = Buffer.alloc(VOL_ARGS_BYTES);
  // More than fit into one answer is an error, and they are some.
  return libc.ioctl(fd, BTRFS_IOC_GET_SUBVOL_ROOTREF, args) < 0 || args[NUM_ITEMS_OFFSET] !== 0;
}

/** Deletes the subvolumes in a directory, to `depth` levels below it, at once and with all that is in them. What cannot be deleted so stays. */
export function destroySubvolumes(path: string, depth: number): void {
  try {
    if (statfsSync(path).type !== BTRFS_SUPER_MAGIC) return;
    within(path, (fd) => {
      for (const entry of readdirSync(path, { withFileTypes: true })) {
        if (!entry.isDirectory()) continue;
        const destroyed = libc.ioctl(fd, BTRFS_IOC_SNAP_DESTROY, named(entry.name)) === 0;
        if (!destroyed && depth > 1) destroySubvolumes(join(path, entry.name), depth - 1);
      }
    });
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}
