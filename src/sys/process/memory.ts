import { openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, { malloc_trim: { arguments: ['u64'], return: 'i32' } });

/**
 * Gives memory that was freed back to the system: glibc keeps what worker threads had in its arenas otherwise. It
 * takes some milliseconds: to be called when something large has ended.
 */
export function releaseFreeMemory(): void {
  libc.malloc_trim(0n);
}
