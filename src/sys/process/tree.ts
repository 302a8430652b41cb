import { readFile } from 'node:fs/promises';
import { systemCode } from '../ffi/errors.ts';
import { closeFd } from '../ffi/descriptor.ts';
import { openIdentity, type ProcessIdentity, signalPidfd } from './pidfd.ts';

const SIGKILL = 9;
const SIGSTOP = 19;
/** A tree that still grows after so many looks is killed as it is. */
const mostRounds = 10;

interface Relation extends ProcessIdentity {
  readonly parent: number;
  readonly session: number;
}

/** proc_pid_stat(5): parent, session and start time; undefined when the process is gone or a zombie. */
async function relationOf(pid: number): Promise<Relation | undefined> {
  let text: string;
  try {
    text = await readFile(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ESRCH') return undefined;
    throw error;
  }
  // The name in parentheses may hold anything, parentheses and blanks too.
  const [state = '', parent, , session, ...rest] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (state === 'Z' || state === 'X') return undefined;
  return { pid, parent: Number(parent), session: Number(session), start: Number(rest[15]) };
}

/**
 * Those of `candidates` that `root` started, however far down, or that are in the session it leads (which a process
 * keeps when its parents are gone); `root` itself first.
 */
export function treeOf(root: number, candidates: readonly Relation[]): Relation[] {
  const found = new Map<number, Relation>();
  const add = (belongs: (relation: Relation) => boolean): boolean => {
    const before = found.size;
    for (const relation of candidates)
      if (!found.has(relation.pid) && belongs(relation)) found.set(relation.pid, relation);
    return found.size > before;
  };
  add(({ pid }) => pid === root);
  add(({ session }) => session === root);
  while (add(({ parent }) => found.has(parent)));
  return [...found.values()];
}

/**
 * Kills a process and everything that it started: first all are halted, again and again until no new one shows, so that
 * none can fork away. `members` lists the pids among which they are looked for. A process that made a session of its
 * own and whose parents have ended is nobody's any more and is not found.
 */
export async function killTree(root: ProcessIdentity, members: () => Promise<readonly number[]>): Promise<void> {
  const held = new Map<number, number>();
  try {
    for (let round = 0; round < mostRounds; round++) {
      const relations = await Promise.all([...new Set([root.pid, ...(await members())])].map(relationOf));
      const alive = relations.filter((relation) => relation !== undefined);
      // A pid that was given to somebody else since is no root of anything.
      if (alive.some(({ pid, start }) => pid === root.pid && start !== root.start)) return;
      const isNew = treeOf(root.pid, alive).filter(({ pid }) => !held.has(pid));
      if (isNew.length === 0) break;
      for (const identity of isNew) halt(identity, held);
    }
    for (const pidfd of held.values()) signalPidfd(pidfd, SIGKILL);
  } finally {
    for (const pidfd of held.values()) closeFd(pidfd);
  }
}

function halt(identity: ProcessIdentity, held: Map<number, number>): void {
  const pidfd = openIdentity(identity);
  if (pidfd === undefined) return;
  held.set(identity.pid, pidfd);
  signalPidfd(pidfd, SIGSTOP);
}
