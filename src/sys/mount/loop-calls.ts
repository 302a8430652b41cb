/** Files as block devices, for the syscall worker. */
import { spawnSync } from 'node:child_process';
import { constants, fstatSync, readdirSync, readFileSync } from 'node:fs';
import { closeFd, openFd } from '../ffi/descriptor.ts';
import { check, systemCode } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';
import { type MountOption, mountNew } from './calls.ts';

const libc = openLibrary(null, { ioctl: { arguments: ['i32', 'u64', 'pointer'], return: 'i32' } });

const LOOP_CTL_GET_FREE = 0x4c82n;
const LOOP_CONFIGURE = 0x4c0an;
const LOOP_SET_CAPACITY = 0x4c07n;
const LOOP_GET_STATUS64 = 0x4c05n;
const LOOP_INFO_BYTES = 232;
const LO_FLAGS_READ_ONLY = 1;
const LO_FLAGS_AUTOCLEAR = 4;
const LO_FLAGS_DIRECT_IO = 16;
/** struct loop_config: fd, block_size, struct loop_info64 (232 bytes), 8 reserved words; lo_flags at 8 + 52. */
const LOOP_CONFIG_BYTES = 304;
const LO_FLAGS_OFFSET = 60;

/**
 * Mounts the file system in `file` through a loop device with direct I/O, which is freed with the mount. What is written
 * goes past the page cache of the file, and a deleted file gives its room back where the options say `discard`.
 */
export function mountByLoopSync(
  file: string,
  type: string,
  options: readonly MountOption[],
  target: string,
  writable: boolean,
): void {
  const backing = openFd(file, writable ? constants.O_RDWR : constants.O_RDONLY);
  try {
    const { device, path } = (writable ? findLoop(file, backing) : undefined) ?? configureLoop(backing, writable);
    try {
      mountNew(type, [['source', path], ...options], target, { readOnly: !writable });
    } finally {
      // The mount holds the device; with its end the kernel frees it (autoclear).
      closeFd(device);
    }
  } finally {
    closeFd(backing);
  }
}

/** The file has another size than when it became a device, if it is one: from now on the device has it, too. @throws SystemError. */
export function adjustLoop(file: string): void {
  const backing = openFd(file, constants.O_RDONLY);
  try {
    const found = findLoop(file, backing);
    if (found === undefined) return;
    try {
      check(libc.ioctl(found.device, LOOP_SET_CAPACITY, null), 'LOOP_SET_CAPACITY', found.path);
    } finally {
      closeFd(found.device);
    }
  } finally {
    closeFd(backing);
  }
}

/**
 * The device that has this file already: somebody holds an earlier mount that was detached. Two devices for one file
 * system would destroy it; by the same device the kernel shares it.
 */
function findLoop(file: string, backing: number): { device: number; path: string } | undefined {
  const { dev, ino } = fstatSync(backing, { bigint: true });
  for (const name of readdirSync('/sys/block')) {
    if (!name.startsWith('loop')) continue;
    const path = `/dev/${name}`;
    if (backingFile(name) !== file) continue;
    const device = openFd(path, constants.O_RDWR);
    const status = Buffer.alloc(LOOP_INFO_BYTES);
    // As long as it is open here, it stays as it is.
    const isSet = libc.ioctl(device, LOOP_GET_STATUS64, status) === 0;
    if (isSet && status.readBigUInt64LE(0) === dev && status.readBigUInt64LE(8) === ino) return { device, path };
    closeFd(device);
  }
  return undefined;
}

function backingFile(device: string): string | undefined {
  try {
    return readFileSync(`/sys/block/${device}/loop/backing_file`, 'utf8').trimEnd();
  } catch {
    return undefined;
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

function configureLoop(backing: number, writable: boolean): { device: number; path: string } {
  const control = openLoopControl();
  try {
    // Another process may take the free device between the two calls.
    for (let attempt = 0; ; attempt++) {
      const path = `/dev/loop${check(libc.ioctl(control, LOOP_CTL_GET_FREE, null), 'LOOP_CTL_GET_FREE')}`;
      const device = openFd(path, writable ? constants.O_RDWR : constants.O_RDONLY);
      try {
        const config = Buffer.alloc(LOOP_CONFIG_BYTES);
        config.writeUInt32LE(backing, 0);
        config.writeUInt32LE(4096, 4);
        const flags = (writable ? 0 : LO_FLAGS_READ_ONLY) | LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
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
