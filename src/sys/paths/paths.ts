/** inroot.ts as promises: the calls run in the syscall worker, so a slow file system does not hold up the engine. */
import { callBlocking } from '../blocking/blocking.ts';
import type { MountTarget, PreparedTarget } from './mount-targets.ts';
import { O_PATH, type ResolveOptions, type Root } from './inroot.ts';
import type { DirectoryList, PathStat } from './stat.ts';

export const openInRootAsync = (
  root: Root,
  path: string,
  flags: number,
  mode = 0,
  options: ResolveOptions = {},
): Promise<number> => callBlocking('openInRoot', root, path, flags, mode, options);

/**
 * What is at `path` below `root`, as an O_PATH descriptor that the caller closes. A path or a link that leaves the root is
 * an error, not cut off at it. @throws SystemError `EXDEV` for those.
 */
export const openPlaceAsync = (root: Root, path: string): Promise<number> =>
  callBlocking('openInRoot', root, path, O_PATH, 0, { beneath: true });

export const resolveInRootAsync = (root: Root, path: string): Promise<string> =>
  callBlocking('resolveInRoot', root, path);

export const mkdirAllInRootAsync = (
  root: Root,
  path: string,
  mode = 0o755,
  owner?: { readonly uid: number; readonly gid: number },
): Promise<string> => callBlocking('mkdirAllInRoot', root, path, mode, owner);

export async function readFileInRootAsync(root: Root, path: string, limit: number): Promise<Buffer | undefined> {
  const bytes = await callBlocking('readFileInRoot', root, path, limit);
  // A Buffer arrives from a worker as a plain Uint8Array.
  return bytes === undefined ? undefined : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** See mount-targets.ts. */
export const prepareMountTargetsAsync = (
  root: string,
  targets: readonly MountTarget[],
  owner?: { readonly uid: number; readonly gid: number },
): Promise<PreparedTarget[]> => callBlocking('prepareMountTargets', root, targets, owner);

/** See mount-targets.ts. */
export const changeModeInRootAsync = (root: Root, path: string, mode: number): Promise<void> =>
  callBlocking('changeModeInRoot', root, path, mode);

/** See stat.ts. */
export const statInRootAsync = (root: Root, path: string): Promise<PathStat> => callBlocking('statInRoot', root, path);

/** See stat.ts. */
export const listInRootAsync = (root: Root, path: string): Promise<DirectoryList> =>
  callBlocking('listInRoot', root, path);
