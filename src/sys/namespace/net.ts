import { check } from '../ffi/errors.ts';
import { closeFd, openFd } from '../ffi/descriptor.ts';
import { openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, {
  unshare: { arguments: ['i32'], return: 'i32' },
  setns: { arguments: ['i32', 'i32'], return: 'i32' },
});
const CLONE_NEWNET = 0x40000000;
const O_RDONLY = 0;

let home: number | undefined;
/** The calling thread's own namespace, opened before it is left for the first time. */
const homeNamespace = (): number => (home ??= openFd('/proc/thread-self/ns/net', O_RDONLY));

function goHome(): void {
  // A thread that stays in a container's namespace would do all its further work there: better no engine than that one.
  if (libc.setns(homeNamespace(), CLONE_NEWNET) < 0) process.abort();
}

/** A new, empty network namespace, as a descriptor that is the caller's and keeps it alive. */
export function createNetNamespace(): number {
  homeNamespace();
  check(libc.unshare(CLONE_NEWNET), 'unshare');
  try {
    return openFd('/proc/thread-self/ns/net', O_RDONLY);
  } finally {
    goHome();
  }
}

/**
 * Runs `work` with the calling thread inside a network namespace: sockets opened meanwhile belong to it for ever.
 * `work` is synchronous; a promise out of it would go on in the wrong namespace.
 */
export function inNetNamespace<T>(namespace: number, work: () => T extends Promise<unknown> ? never : T): T {
  homeNamespace();
  check(libc.setns(namespace, CLONE_NEWNET), 'setns');
  try {
    return work();
  } finally {
    goHome();
  }
}

/** The namespace of a process, as a descriptor of the caller. @throws SystemError `ENOENT` when the process is gone. */
export const openNetNamespaceOf = (pid: number): number => openFd(`/proc/${pid}/ns/net`, O_RDONLY);

/** Gives a namespace's descriptor back. */
export const closeNetNamespace = closeFd;
