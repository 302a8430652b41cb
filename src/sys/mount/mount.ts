/** Mounting, as the rooms use it: every call runs in the syscall worker, and fails with a SystemError. */
import { callBlocking } from '../blocking/blocking.ts';
import type { MountAttributes, MountOption } from './calls.ts';
import type { ErofsMethod } from './erofs-calls.ts';
import type { OverlayRequest } from './overlay-calls.ts';
import type { MountSource } from './source-calls.ts';

export type { MountAttributes, MountOption } from './calls.ts';
export type { ErofsMethod } from './erofs-calls.ts';
export type { OverlayMethod, OverlayRequest } from './overlay-calls.ts';
export type { MountSource } from './source-calls.ts';

/** Mounts the EROFS image in `file` read-only. */
export const mountErofs = (file: string, target: string, method: ErofsMethod): Promise<void> =>
  callBlocking('mountErofs', file, target, method);

/** Mounts the file system in `file`, to be written to, through a loop device that goes with the mount. */
export const mountImage = (
  file: string,
  type: string,
  options: readonly MountOption[],
  target: string,
): Promise<void> => callBlocking('mountByLoop', file, type, options, target, true);

/** Mounts an overlay over `lower` (topmost first). */
export const mountOverlay = (request: OverlayRequest): Promise<void> => callBlocking('mountOverlay', request);

/** Mounts `source` (a path, or an O_PATH descriptor) at `target` too; `idMap`, a user namespace, shifts its owners. */
export const bindMount = (
  source: string | number,
  target: string | number,
  options: MountAttributes & { readonly recursive?: boolean; readonly idMap?: number } = {},
): Promise<void> => callBlocking('bind', source, target, options);

/** Mounts a new tmpfs; options as tmpfs(5) has them: `['size', '64m']`, `['mode', '1777']`. */
export const mountTmpfs = (
  target: string | number,
  options: readonly MountOption[] = [],
  attributes: MountAttributes = {},
): Promise<void> => callBlocking('mountNew', 'tmpfs', [['source', 'tmpfs'], ...options], target, attributes);

/** Mounts a new instance of any file system type. */
export const mountFileSystem = (
  type: string,
  options: readonly MountOption[],
  target: string | number,
  attributes: MountAttributes = {},
): Promise<void> => callBlocking('mountNew', type, options, target, attributes);

/** Changes attributes of what is mounted at `target`: true sets, false clears, left out keeps. */
export const remount = (
  target: string,
  attributes: MountAttributes,
  options: { recursive?: boolean } = {},
): Promise<void> => callBlocking('changeAttributes', target, attributes, options.recursive ?? false);

/** What is at each of these paths, links followed, and how it is mounted. @throws SystemError for what cannot be looked at. */
export const mountSources = (paths: readonly string[]): Promise<MountSource[]> => callBlocking('lookAtSources', paths);

/** Unmounts the topmost mount at `target`; false when there is none. `lazy` also takes one that is in use. */
export const unmount = (target: string, options: { lazy?: boolean } = {}): Promise<boolean> =>
  callBlocking('unmount', target, options.lazy ?? false);

/**
 * The same, lazily, and the empty directory that it was mounted at goes too, unless something else is there. With the
 * directory the mount goes from all copies of the host's mounts (monitors live in some), where an unmount alone arrives
 * only below shared mounts: what outlives its unmount there keeps files and devices busy.
 */
export async function unmountAndRemove(target: string): Promise<void> {
  await Promise.all([unmount(target, { lazy: true }), callBlocking('removeDirectories', [target])]);
}
