import { closeFd, openFd } from '../ffi/descriptor.ts';
import { SystemError } from '../ffi/errors.ts';
import { lastErrno, openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, { flock: { arguments: ['i32', 'i32'], return: 'i32' } });
const O_RDWR_CREAT_NOFOLLOW = 0o400102;
const LOCK_EX_NB = 6;
const EWOULDBLOCK = 11;

/**
 * Takes the exclusive lock of a file, making it when there is none. The lock ends with `release`, and with the process
 * however it ends. Undefined when another process has it. @throws SystemError.
 */
export function lockFile(path: string): { release(): void } | undefined {
  const fd = openFd(path, O_RDWR_CREAT_NOFOLLOW, 0o600);
  if (libc.flock(fd, LOCK_EX_NB) < 0) {
    const errno = lastErrno();
    closeFd(fd);
    if (errno === EWOULDBLOCK) return undefined;
    throw new SystemError(errno, 'flock', path);
  }
  return { release: () => closeFd(fd) };
}
