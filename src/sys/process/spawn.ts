import type { ChildProcess } from 'node:child_process';
import { callBlocking } from '../blocking/blocking.ts';
import { closeFd } from '../ffi/descriptor.ts';
import { openLibrary } from '../ffi/library.ts';
import { SystemError } from '../ffi/errors.ts';
import type { MountView } from '../namespace/mount.ts';
import { pollOnce, READABLE } from '../poll/poll.ts';
import { openPidfd, signalPidfd } from './pidfd.ts';
import { posixSpawn, type SpawnRequest } from './spawn-call.ts';

export type { SpawnRequest } from './spawn-call.ts';

const libc = openLibrary(null, { waitpid: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' } });
const WNOHANG = 1;
const ESRCH = 3;

/** How a child ended: by exit(3) with a code, or by a signal (then `code` is 128 + its number, as shells say it). */
export interface ChildExit {
  readonly code: number;
  /** 0 when no signal ended it. */
  readonly signal: number;
}

export interface Child {
  readonly pid: number;
  /** Resolves when the child has ended and was reaped; never rejects. */
  readonly exited: Promise<ChildExit>;
  /** Sends a signal number; false when it has ended. Cannot hit another process: the pid is held until the reaping. */
  signal(signal: number): boolean;
}

const ownChildren = new Set<number>();

/** True for a child that has not been reaped yet and is going to be, by whoever started it. */
export const isOwnChild = (pid: number): boolean => ownChildren.has(pid);

/**
 * Leaves a new child of node:child_process to libuv: when somebody else has reaped it, libuv never tells of its end.
 * To be called right after its start.
 */
export function leaveToLibuv(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined) return;
  ownChildren.add(pid);
  child.once('exit', () => ownChildren.delete(pid));
}

/** Reaps `pid` if it is a zombie child of ours; undefined when it is not. */
export function reap(pid: number): ChildExit | undefined {
  const status = Buffer.alloc(4);
  if (libc.waitpid(pid, status, WNOHANG) !== pid) return undefined;
  const word = status.readInt32LE(0);
  const signal = word & 0x7f;
  return signal === 0 ? { code: (word >> 8) & 0xff, signal: 0 } : { code: 128 + signal, signal };
}

/** Calls that are about to make a child of the engine in another thread. */
let arriving = 0;

/** True while children may exist that `isOwnChild` does not know yet. */
export const childrenArriving = (): boolean => arriving > 0;

/**
 * Starts a program by posix_spawn(3): unlike fork its cost does not grow with the engine's memory. The child gets
 * exactly the descriptors, arguments and environment named; it is always reaped, and outlives the engine.
 * With `unref` the engine's event loop does not wait for its end. @throws SystemError, `ENOENT` when there is no such
 * program.
 */
export const spawn = (request: SpawnRequest, options: { readonly unref?: boolean } = {}): Child =>
  childOf(posixSpawn(request), options);

/**
 * The same with the child in a private copy of the host's mounts. Of later mounts and unmounts of the host it sees those
 * below shared mounts; what is unmounted with its directory (`unmountAndRemove`) is gone there in any case.
 */
export async function spawnInView(request: SpawnRequest, view: MountView): Promise<Child> {
  arriving++;
  try {
    return childOf(await callBlocking('spawnInView', request, view));
  } finally {
    arriving--;
  }
}

function childOf(pid: number, options: { readonly unref?: boolean } = {}): Child {
  ownChildren.add(pid);
  const pidfd = openPidfd(pid);
  // An unreaped child has a pidfd even as a zombie: without one, somebody else reaped it.
  if (pidfd === undefined) throw new SystemError(ESRCH, 'pidfd_open', String(pid));
  let ended = false;
  const exited = pollOnce(pidfd, READABLE, options).then(() => {
    ended = true;
    const exit = reap(pid) ?? { code: 255, signal: 0 };
    ownChildren.delete(pid);
    closeFd(pidfd);
    return exit;
  });
  return { pid, exited, signal: (signal) => !ended && signalPidfd(pidfd, signal) };
}
