/** What is done to a mounted ext4 file system, for the syscall worker. */
import { constants } from 'node:fs';
import { adjustLoop } from '../mount/loop-calls.ts';
import { closeFd, openFd } from '../ffi/descriptor.ts';
import { check, SystemError } from '../ffi/errors.ts';
import { lastErrno, openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, { ioctl: { arguments: ['i32', 'u64', 'pointer'], return: 'i32' } });

/** ioctl_fsfreeze: `_IOWR('X', 119, int)` and `_IOWR('X', 120, int)`. */
const FIFREEZE = 0xc0045877n;
const FITHAW = 0xc0045878n;
/** `_IOW('f', 16, __u64)`: the new number of blocks (kernel: fs/ext4/ext4.h). */
const EXT4_IOC_RESIZE_FS = 0x40086610n;
/** Of every disk that `make.ts` makes. */
const blockSize = 4096;
const EINVAL = 22;
const EBUSY = 16;
/** Kernel documentation, filesystems/fscrypt.rst. */
const FS_IOC_SET_ENCRYPTION_POLICY = 0x800c6613n;
const FS_IOC_ADD_ENCRYPTION_KEY = 0xc0506617n;
const FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER = 2;
const FSCRYPT_POLICY_V2 = 2;
const FSCRYPT_MODE_AES_256_XTS = 1;
const FSCRYPT_MODE_AES_256_CTS = 4;
const FSCRYPT_POLICY_FLAGS_PAD_32 = 3;
const identifierBytes = 16;
/** struct fscrypt_policy_v2: version, the two modes, flags, 4 bytes of zero, the identifier. */
const policyBytes = 24;
/** struct fscrypt_add_key_arg: the specifier (40 bytes, the identifier at 8), raw_size, key_id, 8 reserved words, the key. */
const rawSizeOffset = 40;
const rawOffset = 80;
const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

function within<T>(path: string, work: (fd: number) => T): T {
  const fd = openFd(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    return work(fd);
  } finally {
    closeFd(fd);
  }
}

/** Nothing is written to the file system of a directory until it is thawed; what was written is on disk. @throws SystemError. */
export function freezeFileSystem(path: string): void {
  within(path, (fd) => check(libc.ioctl(fd, FIFREEZE, Buffer.alloc(4)), 'FIFREEZE', path));
}

/** One that is not frozen is no error. @throws SystemError. */
export function thawFileSystem(path: string): void {
  within(path, (fd) => {
    if (libc.ioctl(fd, FITHAW, Buffer.alloc(4)) === 0) return;
    const errno = lastErrno();
    if (errno !== EINVAL && errno !== EBUSY) throw new SystemError(errno, 'FITHAW', path);
  });
}

/** Lets the ext4 that is mounted at `path`, on a loop device of `file`, fill `bytes` of that. @throws SystemError. */
export function growDisk(path: string, file: string, bytes: number): void {
  adjustLoop(file);
  const blocks = Buffer.alloc(8);
  blocks.writeBigUInt64LE(BigInt(Math.floor(bytes / blockSize)));
  within(path, (fd) => check(libc.ioctl(fd, EXT4_IOC_RESIZE_FS, blocks), 'EXT4_IOC_RESIZE_FS', path));
}

/**
 * Gives the kernel the key (64 bytes) of encrypted directories of the file system that `path` is on, for as long as that is
 * mounted. With `encrypt` the empty directory of that path is encrypted from now on: contents by AES-256-XTS, names by
 * AES-256-CTS. @throws SystemError `EOPNOTSUPP`, `ENOTTY` where the kernel or the file system has no encryption.
 */
export function unlockDirectories(path: string, key: Uint8Array, encrypt: string | undefined): void {
  const argument = Buffer.alloc(rawOffset + key.length);
  argument.writeUInt32LE(FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER, 0);
  argument.writeUInt32LE(key.length, rawSizeOffset);
  argument.set(key, rawOffset);
  try {
    within(path, (fd) => check(libc.ioctl(fd, FS_IOC_ADD_ENCRYPTION_KEY, argument), 'ADD_ENCRYPTION_KEY', path));
    if (encrypt !== undefined) setPolicy(encrypt, argument.subarray(8, 8 + identifierBytes));
  } finally {
    argument.fill(0);
    key.fill(0);
  }
}

function setPolicy(path: string, identifier: Uint8Array): void {
  const policy = Buffer.alloc(policyBytes);
  policy.set([FSCRYPT_POLICY_V2, FSCRYPT_MODE_AES_256_XTS, FSCRYPT_MODE_AES_256_CTS, FSCRYPT_POLICY_FLAGS_PAD_32]);
  policy.set(identifier, 8);
  within(path, (fd) => check(libc.ioctl(fd, FS_IOC_SET_ENCRYPTION_POLICY, policy), 'SET_ENCRYPTION_POLICY', path));
}
