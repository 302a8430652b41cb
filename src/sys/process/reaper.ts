import { readdirSync, readFileSync } from 'node:fs';
import { check } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';
import { processStat } from './pidfd.ts';
import { childrenArriving, isOwnChild, reap } from './spawn.ts';

const libc = openLibrary(null, { prctl: { arguments: ['i32', 'u64', 'u64', 'u64', 'u64'], return: 'i32' } });
const PR_SET_CHILD_SUBREAPER = 36;

/** Long enough for libuv to reap a child of its own (child_process) before we would take it. */
const GRACE_MS = 200;

function zombieOrphans(): number[] {
  const children: number[] = [];
  for (const thread of readdirSync('/proc/self/task')) {
    const text = readFileSync(`/proc/self/task/${thread}/children`, 'latin1');
    for (const pid of text.split(' ')) if (pid !== '') children.push(Number(pid));
  }
  return children.filter((pid) => !isOwnChild(pid) && processStat(pid)?.state === 'Z');
}

/**
 * Makes the engine the parent of what its children leave behind (monitors daemonize by a double fork, PR_SET_CHILD_SUBREAPER)
 * and reaps it, so that zombies do not depend on the init of the machine or container that the engine runs in.
 * Call it once, at boot. The returned function stops the reaping.
 */
export function reapOrphans(): () => void {
  check(libc.prctl(PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n), 'prctl');
  let timer: NodeJS.Timeout | undefined;
  const round = () => {
    timer = undefined;
    if (childrenArriving()) return onChild();
    for (const pid of zombieOrphans()) reap(pid);
  };
  const onChild = () => {
    timer ??= setTimeout(round, GRACE_MS).unref();
  };
  process.on('SIGCHLD', onChild);
  onChild();
  return () => {
    process.off('SIGCHLD', onChild);
    clearTimeout(timer);
  };
}
