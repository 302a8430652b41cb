import { closeFd, openFd } from '../ffi/descriptor.ts';
import { check } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';
import { bind, setPropagation, unmountPath } from '../mount/calls.ts';

const libc = openLibrary(null, {
  unshare: { arguments: ['i32'], return: 'i32' },
  setns: { arguments: ['i32', 'i32'], return: 'i32' },
});
const CLONE_NEWNS = 0x20000;

/** How a private copy of the mounts differs from the host's. */
export interface MountView {
  /** Unmounted in the copy. */
  readonly hidden: readonly string[];
  /** Mounted in the copy too: a place, and the directory at which it is. */
  readonly shown?: { readonly source: string; readonly target: string } | undefined;
}

/**
 * Runs `work` with the calling thread in a fresh copy of the mounts, as `view` says; the host's
 * stay. What `work` starts stays in the copy. Mounts of the host still come in, and unmounts too, where the host's
 * mount is shared. Only for a worker thread: the main thread shares its root and working directory with all others.
 */
export function inPrivateMounts<T>({ hidden, shown }: MountView, work: () => T): T {
  const host = openFd('/proc/thread-self/ns/mnt', 0);
  try {
    check(libc.unshare(CLONE_NEWNS), 'unshare');
    setPropagation('/', 'slave', true);
    for (const path of hidden) unmountPath(path, true);
    if (shown !== undefined) bind(shown.source, shown.target, { recursive: true });
    return work();
  } finally {
    // A thread that stayed behind would mount where nobody sees it.
    if (libc.setns(host, CLONE_NEWNS) < 0) process.abort();
    closeFd(host);
  }
}
