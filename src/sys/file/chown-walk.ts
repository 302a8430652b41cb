import { closeSync, constants, fchownSync, fstatSync, lstatSync, openSync, readdirSync, type Stats } from 'node:fs';
import { EngineError } from '../../base/errors.ts';
import { systemCode } from '../ffi/errors.ts';
import { nativeName, openDirectoryAt, pathAt, setOwnerAt } from './at.ts';
import type { ChownTask } from './chown-tree.ts';

/** A directory that was seen, by its way from the top: opened later, it must still be the same. */
interface Found {
  readonly names: readonly Buffer[];
  readonly dev: number;
  readonly ino: number;
}

/** The way to a folder is kept for each that is still to be looked at: somebody could make endless ones. */
const mostLevels = 1000;

/**
 * Gives everything at and below a path to an owner; gives the number of files that were another's. Every directory is
 * opened by one name after the other from the top, never through a link, and entered only when it is the one that was seen;
 * owners are set by name in an open directory, of links themselves. So what others rename meanwhile leads nowhere. The path
 * itself may be a link. Synchronous: for a worker. @throws the system's error
 */
export function chownWalk({ path, uid, gid }: ChownTask): number {
  const top = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  let changed = 0;
  const isOthers = (stat: Stats): boolean => stat.uid !== uid || stat.gid !== gid;
  try {
    const root = fstatSync(top);
    if (isOthers(root)) {
      fchownSync(top, uid, gid);
      changed++;
    }
    if (!root.isDirectory()) return changed;
    const pending: Found[] = [{ names: [], dev: root.dev, ino: root.ino }];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const { names } = next;
      withDirectory(top, next, (fd) => {
        for (const entry of readdirSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' })) {
          const name = nativeName(entry);
          const stat = unlessGone(() => lstatSync(pathAt(fd, name)));
          if (stat === undefined || stat.dev !== root.dev) continue;
          if (isOthers(stat)) {
            unlessGone(() => setOwnerAt(fd, name, { uid, gid }));
            changed++;
          }
          if (!stat.isDirectory()) continue;
          if (names.length >= mostLevels)
            throw new EngineError('invalid', `there are more than ${mostLevels} folders in each other`);
          pending.push({ names: [...names, name], dev: stat.dev, ino: stat.ino });
        }
      });
    }
    return changed;
  } finally {
    closeSync(top);
  }
}

function withDirectory(top: number, { names, dev, ino }: Found, work: (fd: number) => void): void {
  let fd = top;
  try {
    for (const name of names) {
      const child = unlessGone(() => openDirectoryAt(fd, name));
      if (child === undefined) return;
      if (fd !== top) closeSync(fd);
      fd = child;
    }
    const found = fstatSync(fd);
    if (found.dev === dev && found.ino === ino) work(fd);
  } finally {
    if (fd !== top) closeSync(fd);
  }
}

const gone: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

function unlessGone<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (gone.has(systemCode(error) ?? '')) return undefined;
    throw error;
  }
}
