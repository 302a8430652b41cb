import {
  type BigIntStats,
  chmodSync,
  constants,
  copyFileSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
} from 'node:fs';
import { makeNode, setTimes } from '../sys/file/node.ts';
import { getXattr, listXattrs, setXattr } from '../sys/file/xattr.ts';

const slash = Buffer.from('/');
const join = (directory: Buffer, name: Buffer): Buffer => Buffer.concat([directory, slash, name]);

/**
 * Copies the directory `from` to `to`, which must not exist: content, owners, modes, times, attributes, links (hard
 * ones among the copied files stay linked), devices. Links are copied, never followed. Both trees must be nobody
 * else's meanwhile. Synchronous: for a worker. Paths are bytes.
 */
export function copyTree(from: Buffer, to: Buffer): void {
  copyNode(from, to, lstatSync(from, { bigint: true }), new Map());
}

/**
 * Copies what is in the directory `from` into the directory `to`, which is there and has none of these names. Otherwise as
 * `copyTree`.
 */
export function copyInto(from: Buffer, to: Buffer): void {
  const linked = new Map<string, Buffer>();
  for (const name of readdirSync(from, { encoding: 'buffer' })) {
    const child = join(from, name);
    copyNode(child, join(to, name), lstatSync(child, { bigint: true }), linked);
  }
}

function copyNode(from: Buffer, to: Buffer, stat: BigIntStats, linked: Map<string, Buffer>): void {
  if (stat.isDirectory()) {
    mkdirSync(to, { mode: 0o700 });
    for (const name of readdirSync(from, { encoding: 'buffer' })) {
      const child = join(from, name);
      copyNode(child, join(to, name), lstatSync(child, { bigint: true }), linked);
    }
  } else {
    const key = `${stat.dev}:${stat.ino}`;
    const first = stat.nlink > 1n ? linked.get(key) : undefined;
    if (first !== undefined) return linkSync(first, to);
    if (stat.nlink > 1n) linked.set(key, to);
    if (stat.isSymbolicLink()) symlinkSync(readlinkSync(from, { encoding: 'buffer' }), to);
    else if (stat.isFile()) copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    else makeNode(to, Number(stat.mode), stat.rdev);
  }
  copyAttributes(from, to, stat);
}

function copyAttributes(from: Buffer, to: Buffer, stat: BigIntStats): void {
  lchownSync(to, Number(stat.uid), Number(stat.gid));
  for (const name of listXattrs(from)) {
    // Those are about the file system that the file is on.
    if (name.startsWith('trusted.')) continue;
    const value = getXattr(from, name);
    if (value !== undefined) setXattr(to, name, value);
  }
  // After chown(2), which clears the set-id bits.
  if (!stat.isSymbolicLink()) chmodSync(to, Number(stat.mode & 0o7777n));
  setTimes(to, stat.atimeNs, stat.mtimeNs);
}
