import { constants, fchownSync } from 'node:fs';
import { dirname } from 'node:path';
import { closeFd, openFd } from '../ffi/descriptor.ts';
import { systemCode } from '../ffi/errors.ts';
import { setTime } from '../file/at.ts';
import { statOf } from '../file/entries.ts';
import { mkdirAllInRoot, O_PATH, openInRoot, resolveInRoot } from './inroot.ts';

/** Where something is to be mounted inside a root. */
export interface MountTarget {
  /** As the user wrote it; links in it are the root's own and are followed inside it. */
  readonly path: string;
  readonly kind: 'directory' | 'file';
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
export function prepareMountTargets(root: string, targets: readonly MountTarget[], owner?: Owner): string[] {
  const rootFd = openFd(root, O_PATH | constants.O_DIRECTORY);
  try {
    return targets.map((target) => prepareTarget(rootFd, target, owner));
  } finally {
    closeFd(rootFd);
  }
}

/** The link-free path of one target inside the root that `rootFd` is; made when it is missing. */
export function prepareTarget(rootFd: number, { path, kind }: MountTarget, owner?: Owner): string {
  const resolved = resolveInRoot(rootFd, path);
  if (exists(rootFd, resolved)) return resolved;
  if (kind === 'directory') return mkdirAllInRoot(rootFd, resolved, 0o755, owner);
  mkdirAllInRoot(rootFd, dirname(resolved), 0o755, owner);
  const parent = openInRoot(rootFd, dirname(resolved), constants.O_DIRECTORY, 0, { noSymlinks: true });
  try {
    // A place to mount something is no change of the container's: its directory looks as before.
    const before = statOf(parent);
    const made = openInRoot(rootFd, resolved, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o644, { noSymlinks: true });
    try {
      if (owner !== undefined) fchownSync(made, owner.uid, owner.gid);
    } finally {
      closeFd(made);
    }
    setTime(parent, before);
  } finally {
    closeFd(parent);
  }
  return resolved;
}

function exists(rootFd: number, path: string): boolean {
  try {
    closeFd(openInRoot(rootFd, path, O_PATH | O_NOFOLLOW, 0, { noSymlinks: true }));
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}
