import { constants, fstatSync, readdirSync } from 'node:fs';
import { closeFd } from '../ffi/descriptor.ts';
import { O_PATH, openInRoot, resolveInRoot, type Root } from './inroot.ts';

/** What is at a path inside a root. */
export interface PathStat {
  /** Type and permission bits, as stat(2) has them. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Of a link: the link-free path that it means, whose end may be missing; else empty. */
  readonly linkTarget: string;
}

/** What a directory has: names as bytes, one char each. */
export interface DirectoryList {
  readonly directories: readonly string[];
  readonly others: readonly string[];
}

/** What is in the directory at `path`, links as links. @throws SystemError `ENOENT`, `ENOTDIR`, `ELOOP`. */
export function listInRoot(root: Root, path: string): DirectoryList {
  const fd = openInRoot(root, path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const directories: string[] = [];
    const others: string[] = [];
    for (const entry of readdirSync(`/proc/self/fd/${fd}`, { withFileTypes: true, encoding: 'buffer' })) {
      (entry.isDirectory() ? directories : others).push(entry.name.toString('latin1'));
    }
    return { directories, others };
  } finally {
    closeFd(fd);
  }
}

/**
 * What is at `path`; a link at its end is looked at itself, unless a slash follows. @throws SystemError `ENOENT`,
 * `ENOTDIR`, `ELOOP`.
 */
export function statInRoot(root: Root, path: string): PathStat {
  const fd = openInRoot(root, path, O_PATH | constants.O_NOFOLLOW);
  try {
    const found = fstatSync(fd, { bigint: true });
    const linkTarget = found.isSymbolicLink() ? resolveInRoot(root, path) : '';
    const { mode, uid, gid, size, mtimeNs } = found;
    return {
      mode: Number(mode),
      uid: Number(uid),
      gid: Number(gid),
      size: Number(size),
      mtimeNs,
      linkTarget,
    };
  } finally {
    closeFd(fd);
  }
}
