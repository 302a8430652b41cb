import { check } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, { pipe2: { arguments: ['pointer', 'i32'], return: 'i32' } });
const O_CLOEXEC = 0o2000000;

/** A new pipe, both ends close-on-exec and the caller's. */
export function createPipe(): { readonly read: number; readonly write: number } {
  const ends = Buffer.alloc(8);
  check(libc.pipe2(ends, O_CLOEXEC), 'pipe2');
  return { read: ends.readInt32LE(0), write: ends.readInt32LE(4) };
}
