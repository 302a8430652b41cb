/** Mounts with shifted owners (mount_setattr(2), MOUNT_ATTR_IDMAP), for the syscall worker. */
import { mkdtempSync, rmdirSync } from 'node:fs';
import { closeFd } from '../ffi/descriptor.ts';
import { attachMount, cloneTree, setIdMap, unmountPath } from './calls.ts';

/**
 * Calls `work` with paths at which the directories of `paths` show their files with the owners of a user namespace: what
 * root owns there belongs to the namespace's root here. Overlays that are mounted over them meanwhile keep them; the paths
 * themselves are gone afterwards. `beside` is a directory in which one for the mounts can be made.
 * @throws SystemError: EINVAL, when the kernel or a file system cannot.
 */
export function withIdMapped<T>(
  paths: readonly string[],
  userNamespace: number,
  beside: string,
  work: (shifted: readonly string[]) => T,
): T {
  const place = mkdtempSync(`${beside}/.idmap-`);
  const trees: number[] = [];
  try {
    for (const path of paths) {
      const tree = cloneTree(path, { recursive: false, attributes: {}, attributesBelow: false });
      trees.push(tree);
      setIdMap(tree, userNamespace, path);
      // Kernels before 6.15 stack only what is mounted somewhere; all are reached by their descriptors.
      attachMount(tree, place);
    }
    return work(trees.map((tree) => `/proc/self/fd/${tree}`));
  } finally {
    for (const tree of trees) {
      closeFd(tree);
      unmountPath(place, true);
    }
    rmdirSync(place);
  }
}
