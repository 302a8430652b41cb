import { readFileSync } from 'node:fs';
import { openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, {
  malloc_trim: { arguments: ['u64'], return: 'i32' },
  madvise: { arguments: ['u64', 'u64', 'i32'], return: 'i32' },
});
const MADV_DONTNEED = 4;

/**
 * Gives memory that was freed back to the system: glibc keeps what worker threads had in its arenas otherwise. It
 * takes some milliseconds: to be called when something large has ended.
 */
export function releaseFreeMemory(): void {
  libc.malloc_trim(0n);
}

/**
 * Lets go of the pages of this program's own code: most of what is there has only run at the start. What runs again comes
 * back out of the page cache, some ten pages at a time; nothing is read from the disk, and nothing is lost, as code is never
 * written to. A process that cannot read its own maps keeps all.
 */
export function releaseCode(): void {
  let maps = '';
  try {
    maps = readFileSync('/proc/self/maps', 'latin1');
  } catch {
    return;
  }
  for (const line of maps.split('\n')) {
    // Mapped privately from the program's file, and not writable: proc_pid_maps(5).
    const [, from, to, path] = /^([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ \d+ +(.+)$/.exec(line) ?? [];
    if (from === undefined || to === undefined || path !== process.execPath) continue;
    const start = BigInt(`0x${from}`);
    libc.madvise(start, BigInt(`0x${to}`) - start, MADV_DONTNEED);
  }
}
