import { check, SystemError } from '../ffi/errors.ts';
import { closeFd, openFd } from '../ffi/descriptor.ts';
import { openLibrary } from '../ffi/library.ts';
import { type ProcessIdentity, processStartTime } from '../process/pidfd.ts';

const libc = openLibrary(null, {
  unshare: { arguments: ['i32'], return: 'i32' },
  setns: { arguments: ['i32', 'i32'], return: 'i32' },
  ioctl: { arguments: ['i32', 'u64'], return: 'i32' },
});
const CLONE_NEWNET = 0x40000000;
const O_RDONLY = 0;
const ESRCH = 3;
const SIOCGSKNS = 0x894cn;

/** The calling thread's namespace: opened before it is left, for `goHome`. */
const openOwnNamespace = (): number => openFd('/proc/thread-self/ns/net', O_RDONLY);

function goHome(home: number): void {
  // A thread that stays in a container's namespace would do all its further work there: better no engine than that one.
  if (libc.setns(home, CLONE_NEWNET) < 0) process.abort();
  closeFd(home);
}

/** A new, empty network namespace, as a descriptor that is the caller's and keeps it alive. */
export function createNetNamespace(): number {
  const home = openOwnNamespace();
  try {
    check(libc.unshare(CLONE_NEWNET), 'unshare');
    return openOwnNamespace();
  } finally {
    goHome(home);
  }
}

/**
 * Runs `work` with the calling thread inside a network namespace: sockets opened meanwhile belong to it for ever.
 * `work` is synchronous; a promise out of it would go on in the wrong namespace.
 */
export function inNetNamespace<T>(namespace: number, work: () => T extends Promise<unknown> ? never : T): T {
  const home = openOwnNamespace();
  try {
    check(libc.setns(namespace, CLONE_NEWNET), 'setns');
    return work();
  } finally {
    goHome(home);
  }
}

/** The namespace of a process, as a descriptor of the caller. @throws SystemError `ENOENT` when the process is gone. */
export const openNetNamespaceOf = (pid: number): number => openFd(`/proc/${pid}/ns/net`, O_RDONLY);

/**
 * The namespace of exactly this process. @throws SystemError `ENOENT` or `ESRCH` when it is gone, whoever has its number.
 */
export function openNetNamespaceOfProcess(process: ProcessIdentity): number {
  const namespace = openNetNamespaceOf(process.pid);
  // Asked after the namespace is held: if it is that process still, it was when the namespace was opened.
  if (processStartTime(process.pid) === process.start) return namespace;
  closeFd(namespace);
  throw new SystemError(ESRCH, 'setns', String(process.pid));
}

/** The namespace that a socket belongs to, as a descriptor of the caller (linux/sockios.h, SIOCGSKNS). @throws SystemError */
export const openNetNamespaceOfSocket = (socket: number): number => check(libc.ioctl(socket, SIOCGSKNS), 'ioctl');

/** Gives a namespace's descriptor back. */
export const closeNetNamespace = closeFd;
