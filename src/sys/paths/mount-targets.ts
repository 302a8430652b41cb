import { constants, fchmodSync, fchownSync, fstatSync } from 'node:fs';
import { dirname } from 'node:path';
import { closeFd, openFd } from '../ffi/descriptor.ts';
import { systemCode } from '../ffi/errors.ts';
import { setTime } from '../file/at.ts';
import { statOf } from '../file/entries.ts';
import { mkdirAllInRoot, O_PATH, openInRoot, resolveInRoot, type Root } from './inroot.ts';

/** Where something is to be mounted inside a root. */
export interface MountTarget {
  /** As the user wrote it; links in it are the root's own and are followed inside it. */
  readonly path: string;
  readonly kind: 'directory' | 'file';
  /** Permission bits of a directory that is made; 0755 when left out. */
  readonly mode?: number | undefined;
}

/** A target as it is now. */
export interface PreparedTarget {
  /** Free of links. */
  readonly path: string;
  /** Permission bits of what is there. */
  readonly mode: number;
}

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The link-free path of each target. A target that is missing is made, as an empty directory or file: a runtime that
 * finds the root read-only could not make it, and one that made it would follow the image's links.
 */
export function prepareMountTargets(root: string, targets: readonly MountTarget[], owner?: Owner): PreparedTarget[] {
  const rootFd = openFd(root, O_PATH | constants.O_DIRECTORY);
  try {
    return targets.map((target) => prepareTarget(rootFd, target, owner));
  } finally {
    closeFd(rootFd);
  }
}

/** One target inside the root that `rootFd` is; made when it is missing. */
export function prepareTarget(rootFd: number, target: MountTarget, owner?: Owner): PreparedTarget {
  const path = resolveInRoot(rootFd, target.path);
  const found = modeOf(rootFd, path);
  if (found !== undefined) return { path, mode: found };
  const mode = target.kind === 'file' ? 0o644 : (target.mode ?? 0o755);
  if (target.kind === 'file') makeFile(rootFd, path, owner);
  else if (target.mode === undefined) mkdirAllInRoot(rootFd, path, mode, owner);
  else {
    mkdirAllInRoot(rootFd, dirname(path), 0o755, owner);
    mkdirAllInRoot(rootFd, path, mode, owner);
    // The umask took some of it.
    changeModeInRoot(rootFd, path, mode);
  }
  return { path, mode };
}

function makeFile(rootFd: number, path: string, owner: Owner | undefined): void {
  mkdirAllInRoot(rootFd, dirname(path), 0o755, owner);
  const parent = openInRoot(rootFd, dirname(path), constants.O_DIRECTORY, 0, { noSymlinks: true });
  try {
    // A place to mount something is no change of the container's: its directory looks as before.
    const before = statOf(parent);
    const made = openInRoot(rootFd, path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o644, { noSymlinks: true });
    try {
      if (owner !== undefined) fchownSync(made, owner.uid, owner.gid);
    } finally {
      closeFd(made);
    }
    setTime(parent, before);
  } finally {
    closeFd(parent);
  }
}

/**
 * Gives the directory at the link-free `path` inside `root` these permission bits, unless it has them. @throws SystemError
 * `ENOTDIR` for anything else, `ELOOP` for a link.
 */
export function changeModeInRoot(root: Root, path: string, mode: number): void {
  const fd = openInRoot(root, path, constants.O_DIRECTORY | O_NOFOLLOW, 0, { noSymlinks: true });
  try {
    if ((fstatSync(fd).mode & 0o7777) !== mode) fchmodSync(fd, mode);
  } finally {
    closeFd(fd);
  }
}

function modeOf(rootFd: number, path: string): number | undefined {
  let fd: number;
  try {
    fd = openInRoot(rootFd, path, O_PATH | O_NOFOLLOW, 0, { noSymlinks: true });
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return fstatSync(fd).mode & 0o7777;
  } finally {
    closeFd(fd);
  }
}
