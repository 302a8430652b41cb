import { check } from './errors.ts';
import { openLibrary } from './library.ts';

const libc = openLibrary(null, {
  open: { arguments: ['pointer', 'i32', 'u32'], return: 'i32' },
  close: { arguments: ['i32'], return: 'i32' },
});
const O_CLOEXEC = 0o2000000;

/** open(2), close-on-exec. In a worker thread node:fs keeps a list of its descriptors; this one is on nobody's list. */
export const openFd = (path: string, flags: number, mode = 0): number =>
  check(libc.open(path, flags | O_CLOEXEC, mode), 'open', path);

/** Closes a descriptor that a native call opened; never one that node:fs opened in a worker thread. */
export function closeFd(fd: number): void {
  libc.close(fd);
}
