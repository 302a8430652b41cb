import { check } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, {
  renameat2: { arguments: ['i32', 'pointer', 'i32', 'pointer', 'u32'], return: 'i32' },
});
const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;

/** renameat2(2), for the syscall worker. */
export function exchange(one: string, other: string): void {
  check(libc.renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE), 'renameat2', one);
}
