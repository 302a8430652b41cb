/** EROFS mounts for the syscall worker: straight from the file, or through a loop device on kernels before 6.12. */
import { spawnSync } from 'node:child_process';
import { constants } from 'node:fs';
import { closeFd, openFd } from '../ffi/descriptor.ts';
import { check, systemCode } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';
import { type MountOption, mountNew } from './calls.ts';

const libc = openLibrary(null, { ioctl: { arguments: ['i32', 'u64', 'pointer'], return: 'i32' } });

const LOOP_CTL_GET_FREE = 0x4c82n;
const LOOP_CONFIGURE = 0x4c0an;
const LO_FLAGS_READ_ONLY = 1;
const LO_FLAGS_AUTOCLEAR = 4;
const LO_FLAGS_DIRECT_IO = 16;
/** struct loop_config: fd, block_size, struct loop_info64 (232 bytes), 8 reserved words; lo_flags at 8 + 52. */
const LOOP_CONFIG_BYTES = 304;
const LO_FLAGS_OFFSET = 60;

/**
 * How an image comes to be mounted. From its file (Linux 6.12), past the page cache of the file where the kernel can do
 * that (6.15): otherwise what is read is cached twice. Or through a loop device, with direct I/O for the same reason.
 */
export type ErofsMethod = 'file-direct' | 'file' | 'loop';

/** Mounts the EROFS image in `file` read-only. @throws SystemError: `ENOTBLK` or `EINVAL` when the kernel cannot do it so. */
export function mountErofsSync(file: string, target: string, method: ErofsMethod): void {
  if (method === 'loop') return mountByLoop(file, target);
  const options: MountOption[] = [['source', file], 'ro', ...(method === 'file-direct' ? ['directio'] : [])];
  mountNew('erofs', options, target, { readOnly: true });
}

function mountByLoop(file: string, target: string): void {
  const backing = openFd(file, constants.O_RDONLY);
  try {
    const { device, path } = configureLoop(backing);
    try {
      mountNew('erofs', [['source', path], 'ro'], target, { readOnly: true });
    } finally {
      // The mount holds the device; with its end the kernel frees it (autoclear).
      closeFd(device);
    }
  } finally {
    closeFd(backing);
  }
}

/** The driver may be a module that nobody needed so far: then its control device is not there yet. */
function openLoopControl(): number {
  const path = '/dev/loop-control';
  try {
    return openFd(path, constants.O_RDWR);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' && systemCode(error) !== 'ENODEV') throw error;
    // Whether that helped shows at the second try; its error names the device.
    spawnSync('modprobe', ['loop'], { stdio: 'ignore', env: { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' } });
    return openFd(path, constants.O_RDWR);
  }
}

function configureLoop(backing: number): { device: number; path: string } {
  const control = openLoopControl();
  try {
    // Another process may take the free device between the two calls.
    for (let attempt = 0; ; attempt++) {
      const path = `/dev/loop${check(libc.ioctl(control, LOOP_CTL_GET_FREE, null), 'LOOP_CTL_GET_FREE')}`;
      const device = openFd(path, constants.O_RDONLY);
      try {
        const config = Buffer.alloc(LOOP_CONFIG_BYTES);
        config.writeUInt32LE(backing, 0);
        config.writeUInt32LE(4096, 4);
        const flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
        config.writeUInt32LE(flags, LO_FLAGS_OFFSET);
        check(libc.ioctl(device, LOOP_CONFIGURE, config), 'LOOP_CONFIGURE', path);
        return { device, path };
      } catch (error) {
        closeFd(device);
        if (systemCode(error) !== 'EBUSY' || attempt >= 20) throw error;
      }
    }
  } finally {
    closeFd(control);
  }
}
