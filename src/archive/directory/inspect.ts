/** Looking at directories of layers: by descriptors, so that no name in them and no depth matters. For workers. */
import { createHash, type Hash } from 'node:crypto';
import {
  type BigIntStats,
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from 'node:fs';
import { nativeName, openDirectoryAt, openParent, pathAt } from '../../sys/file/at.ts';
import { getXattr, listXattrs } from '../../sys/file/xattr.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
const chunkSize = 1 << 20;

interface Entry {
  readonly name: Buffer;
  readonly isDirectory: boolean;
}

/** Goes through a tree, in the order of the names; `path` leads to an entry as long as its visit lasts. */
function walk(root: string, visit: (path: Buffer, name: Buffer, depth: number) => void): void {
  let fd = openSync(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  const step = (next: number): void => {
    closeSync(fd);
    fd = next;
  };
  try {
    const levels: Entry[][] = [entriesOf(fd)];
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const entry = level.pop();
      if (entry === undefined) {
        levels.pop();
        if (levels.length > 0) step(openParent(fd));
        continue;
      }
      visit(pathAt(fd, nativeName(entry.name)), entry.name, levels.length);
      if (!entry.isDirectory) continue;
      step(openDirectoryAt(fd, nativeName(entry.name)));
      levels.push(entriesOf(fd));
    }
  } finally {
    closeSync(fd);
  }
}

/** The last one first. */
function entriesOf(fd: number): Entry[] {
  const entries = readdirSync(`/proc/self/fd/${fd}`, { encoding: 'buffer', withFileTypes: true });
  return entries
    .map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }))
    .sort((a, b) => Buffer.compare(b.name, a.name));
}

/** Files, directories, links and the like below `root`, itself counted, hard links once. */
export function countInodes(root: string): number {
  const linked = new Set<bigint>();
  let count = 1;
  walk(root, (path) => {
    const { nlink, ino, mode } = lstatSync(path, { bigint: true });
    if (nlink === 1n || isDirectory(mode)) count++;
    else linked.add(ino);
  });
  return count + linked.size;
}

/** A hash of everything that a layer keeps: names, kinds, owners, modes, times, attributes, links and content. */
export function digestDirectory(root: string): string {
  const hash = createHash('sha256');
  describe(hash, Buffer.from(root), lstatSync(root, { bigint: true }));
  walk(root, (path, name, depth) => {
    hash.update(`${depth} ${name.toString('latin1')}\0`, 'latin1');
    const stat = lstatSync(path, { bigint: true });
    describe(hash, path, stat);
    if (stat.isSymbolicLink()) hash.update(readlinkSync(path, { encoding: 'buffer' }));
    if (stat.isFile()) hashContent(hash, path);
  });
  return hash.digest('hex');
}

const isDirectory = (mode: bigint): boolean => (mode & 0o170000n) === 0o040000n;

function describe(hash: Hash, path: Buffer, stat: BigIntStats): void {
  const { mode, uid, gid, rdev, mtimeNs } = stat;
  // What a directory itself takes on the disk, and how many names it has, is the file system's business.
  const [size, links] = isDirectory(mode) ? [0n, 0n] : [stat.size, stat.nlink];
  hash.update(`${mode} ${uid} ${gid} ${rdev} ${mtimeNs} ${size} ${links}\0`);
  for (const attribute of listXattrs(path).sort()) {
    hash
      .update(`${attribute}\0`)
      .update(getXattr(path, attribute) ?? '')
      .update('\0');
  }
}

function hashContent(hash: Hash, path: Buffer): void {
  const fd = openSync(path, O_RDONLY | O_NOFOLLOW);
  try {
    const chunk = Buffer.allocUnsafe(chunkSize);
    for (let length = readSync(fd, chunk); length > 0; length = readSync(fd, chunk)) {
      hash.update(chunk.subarray(0, length));
    }
  } finally {
    closeSync(fd);
  }
}
