import { check } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';
import { childrenArriving, isOwnChild, reap } from './spawn.ts';

const libc = openLibrary(null, {
  prctl: { arguments: ['i32', 'u64', 'u64', 'u64', 'u64'], return: 'i32' },
  waitid: { arguments: ['i32', 'i32', 'pointer', 'i32'], return: 'i32' },
});
const PR_SET_CHILD_SUBREAPER = 36;
const P_ALL = 0;
const WNOHANG = 0x1;
const WEXITED = 0x4;
const WNOWAIT = 0x1000000;
/** Children of other threads are reaped by those; what is left behind comes to the first thread, this one. */
const __WNOTHREAD = 0x20000000;
/** siginfo_t has 128 bytes; `si_pid` is the first field behind the common ones. */
const SIGINFO_BYTES = 128;
const SI_PID_OFFSET = 16;

/** Children end in bunches, and most are reaped by whoever started them. */
const GRACE_MS = 200;

/** Some child that has ended and is not reaped yet, left as it is; undefined when there is none. */
function someZombie(): number | undefined {
  const info = Buffer.alloc(SIGINFO_BYTES);
  if (libc.waitid(P_ALL, 0, info, WNOHANG | WEXITED | WNOWAIT | __WNOTHREAD) < 0) return undefined;
  const pid = info.readInt32LE(SI_PID_OFFSET);
  return pid === 0 ? undefined : pid;
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
    for (let pid = someZombie(); pid !== undefined; pid = someZombie()) {
      // Whoever started it reaps it, any moment now; it may hide others until then.
      if (isOwnChild(pid)) return onChild();
      if (reap(pid) === undefined) return;
    }
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
