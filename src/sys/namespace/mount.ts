import { closeFd, openFd } from '../ffi/descriptor.ts';
import { check } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';
import { setPropagation, unmountPath } from '../mount/calls.ts';

const libc = openLibrary(null, {
  unshare: { arguments: ['i32'], return: 'i32' },
  setns: { arguments: ['i32', 'i32'], return: 'i32' },
});
const CLONE_NEWNS = 0x20000;

/**
 * Runs `work` with the calling thread in a fresh copy of the mounts, in which `hidden` are unmounted; the host keeps
 * them. What `work` starts stays in the copy. Mounts of the host still come in, and unmounts too, where the host's
 * mount is shared. Only for a worker thread: the main thread shares its root and working directory with all others.
 */
export function inPrivateMounts<T>(hidden: readonly string[], work: () => T): T {
  const host = openFd('/proc/thread-self/ns/mnt', 0);
  try {
    check(libc.unshare(CLONE_NEWNS), 'unshare');
    setPropagation('/', 'slave', true);
    for (const path of hidden) unmountPath(path, true);
    return work();
  } finally {
    // A thread that stayed behind would mount where nobody sees it.
    if (libc.setns(host, CLONE_NEWNS) < 0) process.abort();
    closeFd(host);
  }
}
