/** Extended attributes of files, links themselves included (links are never followed). For workers: may sleep. */
import { check, SystemError, systemCode } from '../ffi/errors.ts';
import { lastErrno, openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, {
  llistxattr: { arguments: ['pointer', 'pointer', 'u64'], return: 'i64' },
  lgetxattr: { arguments: ['pointer', 'pointer', 'pointer', 'u64'], return: 'i64' },
  flistxattr: { arguments: ['i32', 'pointer', 'u64'], return: 'i64' },
  fgetxattr: { arguments: ['i32', 'pointer', 'pointer', 'u64'], return: 'i64' },
  fremovexattr: { arguments: ['i32', 'pointer'], return: 'i32' },
  lsetxattr: { arguments: ['pointer', 'pointer', 'pointer', 'u64', 'i32'], return: 'i32' },
});
/** The kernel's limit for a list, and for a value. */
const limit = 65536;
const ENODATA = 61;
const ENOTSUP = 95;

/** A path as bytes, as the calls here want it: file names need not be UTF-8. */
export const nativePath = (path: Buffer): Buffer => Buffer.concat([path, Buffer.from([0])]);

/** The names of all attributes; none where the file system has no attributes. @throws SystemError. */
export function listXattrs(path: Buffer): string[] {
  const names = Buffer.alloc(limit);
  const length = Number(libc.llistxattr(nativePath(path), names, BigInt(limit)));
  if (length < 0) {
    const errno = lastErrno();
    if (errno === ENOTSUP) return [];
    throw new SystemError(errno, 'llistxattr', path.toString());
  }
  return names
    .toString('latin1', 0, length)
    .split('\0')
    .filter((name) => name !== '');
}

/** Undefined when there is no such attribute. @throws SystemError. */
export function getXattr(path: Buffer, name: string): Buffer | undefined {
  const value = Buffer.alloc(limit);
  const length = Number(libc.lgetxattr(nativePath(path), name, value, BigInt(limit)));
  if (length >= 0) return value.subarray(0, length);
  const errno = lastErrno();
  if (errno === ENODATA || errno === ENOTSUP) return undefined;
  throw new SystemError(errno, 'lgetxattr', path.toString());
}

const shared = Buffer.alloc(limit);

/** The names of all attributes of an open file (not O_PATH). @throws SystemError. */
export function listXattrsOf(fd: number): string[] {
  const length = Number(libc.flistxattr(fd, shared, BigInt(limit)));
  if (length < 0) {
    const errno = lastErrno();
    if (errno === ENOTSUP) return [];
    throw new SystemError(errno, 'flistxattr');
  }
  const names = length === 0 ? [] : shared.toString('latin1', 0, length).split('\0');
  return names.filter((name) => name !== '');
}

/** One attribute of an open file (not O_PATH); undefined when it has not got it. @throws SystemError. */
export function getXattrOf(fd: number, name: string): Uint8Array | undefined {
  const length = Number(libc.fgetxattr(fd, name, shared, BigInt(limit)));
  if (length >= 0) return Uint8Array.from(shared.subarray(0, length));
  const errno = lastErrno();
  if (errno === ENODATA || errno === ENOTSUP) return undefined;
  throw new SystemError(errno, 'fgetxattr');
}

/** Takes an attribute from an open file; one that it has not got is no error. @throws SystemError. */
export function removeXattrOf(fd: number, name: string): void {
  if (libc.fremovexattr(fd, name) === 0) return;
  const errno = lastErrno();
  if (errno !== ENODATA) throw new SystemError(errno, 'fremovexattr');
}

/** False when the file system has no such attributes. @throws SystemError. */
export function setXattr(path: Buffer, name: string, value: Uint8Array): boolean {
  try {
    check(libc.lsetxattr(nativePath(path), name, value, BigInt(value.length), 0), 'lsetxattr', path.toString());
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOTSUP' || systemCode(error) === 'EOPNOTSUPP') return false;
    throw error;
  }
}
