import type { MountEntry } from '../mount/table.ts';
import { readMountTable } from '../mount/table.ts';

/** One mounted cgroup hierarchy. */
export interface CgroupTree {
  readonly version: 1 | 2;
  readonly mountpoint: string;
  /** v1: `cpu`, `cpuacct`, `name=systemd`, ...; empty for v2, whose controllers are listed in files. */
  readonly controllers: readonly string[];
}

/**
 * How this host has its cgroups (cgroups(7)): `v2` one tree; `v1` one tree a controller (or pair of them); `hybrid` v1
 * with an additional v2 tree without controllers, which some runtimes refuse.
 */
export interface CgroupLayout {
  readonly kind: 'v1' | 'hybrid' | 'v2';
  readonly trees: readonly CgroupTree[];
}

/** Options of a v1 super block that are no controllers. */
const notControllers = new Set([
  'rw',
  'ro',
  'xattr',
  'noprefix',
  'clone_children',
  'cpuset_v2_mode',
  'none',
  'seclabel',
]);

/** @throws Error when no cgroup file system is mounted. */
export function detectCgroups(mounts: readonly MountEntry[]): CgroupLayout {
  const trees: CgroupTree[] = [];
  for (const mount of mounts) {
    if (mount.type !== 'cgroup' && mount.type !== 'cgroup2') continue;
    // Containers' own bind mounts of parts of a tree are no hierarchy of the host.
    if (!mount.target.startsWith('/sys/fs/cgroup') && mount.root !== '/') continue;
    if (mount.type === 'cgroup2') trees.push({ version: 2, mountpoint: mount.target, controllers: [] });
    else {
      const controllers = mount.superOptions.filter(
        (option) => !notControllers.has(option) && !option.startsWith('release_agent='),
      );
      trees.push({ version: 1, mountpoint: mount.target, controllers });
    }
  }
  if (trees.length === 0) throw new Error('no cgroup file system is mounted');
  const v1 = trees.some((tree) => tree.version === 1);
  const v2 = trees.some((tree) => tree.version === 2);
  return { kind: v1 ? (v2 ? 'hybrid' : 'v1') : 'v2', trees };
}

/** The layout of this host, out of the mount table. */
export const readCgroupLayout = async (): Promise<CgroupLayout> => detectCgroups(await readMountTable());

/**
 * Where `controller` of the cgroup at `path` (`/gantry/...`) is; undefined when the host has no such controller.
 * @throws Error for a path that could lead elsewhere.
 */
export function controllerDirectory(layout: CgroupLayout, controller: string, path: string): string | undefined {
  const tree = layout.trees.find((candidate) =>
    layout.kind === 'v2' ? candidate.version === 2 : candidate.controllers.includes(controller),
  );
  return tree === undefined ? undefined : tree.mountpoint + checkedPath(path);
}

/** The cgroup's directories in all trees, whether they exist or not. */
export const cgroupDirectories = (layout: CgroupLayout, path: string): string[] =>
  layout.trees.map((tree) => tree.mountpoint + checkedPath(path));

/** `path`, which must name a cgroup below the root: the root itself, or a way up, is never ours to touch. */
export function checkedPath(path: string): string {
  const parts = path.split('/');
  const bad = parts.slice(1).some((part) => part === '' || part === '.' || part === '..');
  if (parts[0] !== '' || parts.length < 2 || bad) throw new Error(`not a cgroup path: ${JSON.stringify(path)}`);
  return path;
}
