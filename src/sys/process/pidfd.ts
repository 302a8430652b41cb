import { readFileSync } from 'node:fs';
import { closeFd } from '../ffi/descriptor.ts';
import { check, systemCode } from '../ffi/errors.ts';
import { lastErrno, openLibrary } from '../ffi/library.ts';
import { pollOnce, READABLE } from '../poll/poll.ts';

const libc = openLibrary(null, {
  pidfd_open: { arguments: ['i32', 'u32'], return: 'i32' },
  pidfd_send_signal: { arguments: ['i32', 'i32', 'pointer', 'u32'], return: 'i32' },
});
const ESRCH = 3;

/** A descriptor (close-on-exec, the caller's) that stands for the process for ever; undefined when there is none. */
export function openPidfd(pid: number): number | undefined {
  const fd = libc.pidfd_open(pid, 0);
  if (fd < 0 && lastErrno() === ESRCH) return undefined;
  return check(fd, 'pidfd_open', String(pid));
}

/** Sends a signal number; false when the process is gone. */
export function signalPidfd(pidfd: number, signal: number): boolean {
  const result = libc.pidfd_send_signal(pidfd, signal, null, 0);
  if (result < 0 && lastErrno() === ESRCH) return false;
  check(result, 'pidfd_send_signal');
  return true;
}

/** A process without pid reuse: the pid and its start time in clock ticks (proc_pid_stat(5), field 22). */
export interface ProcessIdentity {
  readonly pid: number;
  readonly start: number;
}

/** State letter and start time of a process; undefined when it does not exist. */
export function processStat(
  pid: number,
): { readonly state: string; readonly parent: number; readonly start: number } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ESRCH') return undefined;
    throw error;
  }
  // The second field is the command in parentheses, which may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '?', parent: Number(fields[1]), start: Number(fields[19]) };
}

/** The start time of a process in clock ticks; undefined when it does not exist. */
export const processStartTime = (pid: number): number | undefined => processStat(pid)?.start;

/** True while exactly this process lives; a zombie does not live. */
export function isAlive(identity: ProcessIdentity): boolean {
  const stat = processStat(identity.pid);
  return stat !== undefined && stat.start === identity.start && stat.state !== 'Z' && stat.state !== 'X';
}

/** A pidfd of exactly this process; undefined when it has ended or its pid belongs to another one now. */
export function openIdentity(identity: ProcessIdentity): number | undefined {
  const pidfd = openPidfd(identity.pid);
  if (pidfd === undefined) return undefined;
  // The descriptor is held first, the identity is checked second: if it matches, the descriptor is that process.
  if (isAlive(identity)) return pidfd;
  closeFd(pidfd);
  return undefined;
}

/** Sends a signal number to exactly this process; false when it is gone. */
export function signalProcess(identity: ProcessIdentity, signal: number): boolean {
  const pidfd = openIdentity(identity);
  if (pidfd === undefined) return false;
  try {
    return signalPidfd(pidfd, signal);
  } finally {
    closeFd(pidfd);
  }
}

/**
 * Resolves when a process, ours or not, has ended (it may still be a zombie), or when `signal` aborts. Does not keep the
 * engine alive.
 */
export async function processEnded(identity: ProcessIdentity, signal?: AbortSignal): Promise<void> {
  const pidfd = openIdentity(identity);
  if (pidfd === undefined) return;
  try {
    await pollOnce(pidfd, READABLE, { unref: true, ...(signal === undefined ? {} : { signal }) });
  } finally {
    closeFd(pidfd);
  }
}
