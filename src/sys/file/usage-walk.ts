import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, type Stats } from 'node:fs';

/** A directory that was seen, and what it was: opened later, it must still be the same. */
interface Found {
  readonly path: Buffer;
  readonly dev: number;
  readonly ino: number;
}

const openFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const slash = Buffer.from('/');

/**
 * Bytes of everything below `directory` as Docker counts them: the lengths of files and links, each inode once;
 * directories count nothing. Links are not followed, and no directory is entered that became another one meanwhile: a
 * container may be at work there. What vanishes counts nothing. Synchronous: for a worker. @throws when `directory` itself cannot be read
 */
export function walkUsage(directory: string): number {
  const { dev, ino } = lstatSync(directory);
  const pending: Found[] = [{ path: Buffer.from(directory), dev, ino }];
  const linked = new Map<number, Set<number>>();
  let bytes = 0;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { path } = next;
    for (const { name, stat } of entriesOf(next)) {
      if (stat.isDirectory()) pending.push({ path: Buffer.concat([path, slash, name]), dev: stat.dev, ino: stat.ino });
      else if (stat.nlink === 1 || isFirst(linked, stat)) bytes += stat.size;
    }
  }
  return bytes;
}

function isFirst(linked: Map<number, Set<number>>, { dev, ino }: Stats): boolean {
  const inodes = linked.get(dev) ?? new Set();
  linked.set(dev, inodes);
  if (inodes.has(ino)) return false;
  inodes.add(ino);
  return true;
}

/** What is in a directory; nothing when it is not the same one any more. */
function entriesOf(found: Found): { name: Buffer; stat: Stats }[] {
  const fd = unlessVanished(() => openSync(found.path, openFlags));
  if (fd === undefined) return [];
  try {
    const { dev, ino } = fstatSync(fd);
    if (dev !== found.dev || ino !== found.ino) return [];
    // By the descriptor: the path may lead elsewhere by now.
    const own = `/proc/self/fd/${fd}`;
    const names = unlessVanished(() => readdirSync(own, { encoding: 'buffer' })) ?? [];
    return names.flatMap((name) => {
      const stat = unlessVanished(() => lstatSync(Buffer.concat([Buffer.from(`${own}/`), name])));
      return stat === undefined ? [] : [{ name, stat }];
    });
  } finally {
    closeSync(fd);
  }
}

const vanished: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ESTALE']);

function unlessVanished<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (vanished.has((error as { code?: string }).code ?? '')) return undefined;
    throw error;
  }
}
