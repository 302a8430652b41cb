import { closeFd } from '../ffi/descriptor.ts';
import { check } from '../ffi/errors.ts';
import { lastErrno, openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, {
  memfd_create: { arguments: ['pointer', 'u32'], return: 'i32' },
  write: { arguments: ['i32', 'pointer', 'u64'], return: 'i64' },
  fcntl: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  ftruncate: { arguments: ['i32', 'i64'], return: 'i32' },
});
const MFD_CLOEXEC_ALLOW_SEALING = 3;
/** Without it Linux 6.3 and newer may make files that cannot be run; older kernels do not know it. */
const MFD_EXEC = 0x10;
const EINVAL = 22;
const F_ADD_SEALS = 1033;
/** Nobody can change the file any more: neither its size, nor its bytes, nor the seals. */
const ALL_SEALS = 0xf;
const F_SEAL_GROW = 4;

/** Why a file in memory is made: its name there, which only /proc shows, and whether it is a program. */
export interface SealedFileOptions {
  readonly name: string;
  readonly executable?: boolean;
}

/**
 * A file in memory with these bytes, which can never be changed again; the caller owns the descriptor.
 * @throws SystemError where the host forbids such files.
 */
export function sealedFile(bytes: Uint8Array, { name, executable = false }: SealedFileOptions): number {
  const fd = create(name, executable);
  try {
    for (let at = 0; at < bytes.length; ) {
      const rest = bytes.subarray(at);
      at += check(libc.write(fd, rest, BigInt(rest.length)), 'write');
    }
    check(libc.fcntl(fd, F_ADD_SEALS, ALL_SEALS), 'fcntl');
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/**
 * A file in memory of `size` bytes, all zero, for a program to write to: what is more than that fails to be written. The
 * caller owns the descriptor. @throws SystemError where the host forbids such files.
 */
export function boundedFile(name: string, size: number): number {
  const fd = create(name, false);
  try {
    check(libc.ftruncate(fd, BigInt(size)), 'ftruncate');
    check(libc.fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 'fcntl');
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

function create(name: string, executable: boolean): number {
  if (executable) {
    const fd = libc.memfd_create(name, MFD_CLOEXEC_ALLOW_SEALING | MFD_EXEC);
    if (fd >= 0 || lastErrno() !== EINVAL) return check(fd, 'memfd_create');
  }
  return check(libc.memfd_create(name, MFD_CLOEXEC_ALLOW_SEALING), 'memfd_create');
}
