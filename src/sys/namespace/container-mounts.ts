/**
 * Mounting into, and out of, the mount namespace of a running container. For the syscall worker: its thread goes into
 * the namespace for one call, with everything that names a path opened before, outside, where the container's links
 * lead nowhere. What is resolved inside the container is resolved by the kernel, in its root, and held by a descriptor.
 */
import { fstatSync, statfsSync, statSync } from 'node:fs';
import { closeFd, openFd } from '../ffi/descriptor.ts';
import { check, SystemError } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';
import {
  attachMount,
  cloneTree,
  makeMount,
  type MountAttributes,
  type MountOption,
  type Propagation,
  unmountDescriptor,
} from '../mount/calls.ts';
import { O_PATH, openInRoot } from '../paths/inroot.ts';
import { type MountTarget, prepareTarget } from '../paths/mount-targets.ts';
import { type ProcessIdentity, processStartTime } from '../process/pidfd.ts';

const libc = openLibrary(null, {
  unshare: { arguments: ['i32'], return: 'i32' },
  setns: { arguments: ['i32', 'i32'], return: 'i32' },
  fchdir: { arguments: ['i32'], return: 'i32' },
});
const CLONE_FS = 0x200;
const CLONE_NEWNS = 0x20000;
const O_DIRECTORY = 0o200000;
const O_NOFOLLOW = 0o400000;
const ESRCH = 3;
const EXDEV = 18;
/** statfs(2) types of proc and sysfs. */
const kernelFileSystems: ReadonlySet<number> = new Set([0x9fa0, 0x62656572]);

/** What to mount. */
export type MountedThing =
  | {
      readonly kind: 'bind';
      /** On the host. */
      readonly source: string;
      readonly recursive: boolean;
      readonly propagation: Propagation;
      readonly attributes: MountAttributes;
      /** Attributes count for what is mounted below the source too. */
      readonly attributesBelow: boolean;
    }
  | { readonly kind: 'tmpfs'; readonly options: readonly MountOption[]; readonly attributes: MountAttributes };

export interface ContainerMountRequest {
  readonly process: ProcessIdentity;
  readonly thing: MountedThing;
  /** Inside the container; made when it is missing, links are followed inside its root. */
  readonly target: { readonly path: string; readonly kind: 'directory' | 'file' };
  /** Whom a target belongs to that was missing; root without it. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

/** Root and mount namespace of a process, which is exactly the one that is meant. */
function openContainer({ pid, start }: ProcessIdentity): { root: number; namespace: number } & Disposable {
  const root = openFd(`/proc/${pid}/root`, O_PATH | O_DIRECTORY);
  let namespace: number | undefined;
  try {
    namespace = openFd(`/proc/${pid}/ns/mnt`, 0);
    if (processStartTime(pid) !== start) throw new SystemError(ESRCH, 'open', `/proc/${pid}`);
  } catch (error) {
    closeFd(root);
    if (namespace !== undefined) closeFd(namespace);
    throw error;
  }
  const inside = namespace;
  return {
    root,
    namespace: inside,
    [Symbol.dispose]: () => {
      closeFd(root);
      closeFd(inside);
    },
  };
}

/** Runs `work` with the calling thread in the namespace; only descriptors mean the same there as outside. */
function inMountNamespace(namespace: number, work: () => void): void {
  const home = openFd('/proc/thread-self/ns/mnt', 0);
  try {
    // A thread that shares its root and working directory with others may not change its mounts.
    check(libc.unshare(CLONE_FS), 'unshare');
    check(libc.setns(namespace, CLONE_NEWNS), 'setns');
    work();
  } finally {
    // A thread that stayed behind would mount inside the container what is meant for the host.
    if (libc.setns(home, CLONE_NEWNS) < 0) process.abort();
    closeFd(home);
  }
}

type Tmpfs = Extract<MountedThing, { kind: 'tmpfs' }>;

const requestedMode = ({ options }: Tmpfs): string | undefined => options.findLast(([name]) => name === 'mode')?.[1];

/** Where nothing is yet, a directory is made with the permission bits that the tmpfs has, as at a start. */
const tmpfsTarget = (thing: Tmpfs, target: MountTarget): MountTarget => ({
  ...target,
  mode: Number.parseInt(requestedMode(thing) ?? '1777', 8) & 0o7777,
});

/** A tmpfs that says nothing of its mode gets that of the directory that it covers. */
const tmpfsOptions = (thing: Tmpfs, covered = 0o1777): MountOption[] => [
  ['source', 'tmpfs'],
  ...(requestedMode(thing) === undefined ? [['mode', covered.toString(8)] as const] : []),
  ...thing.options,
];

/**
 * Mounts into a running container. @throws SystemError: ESRCH when it has ended, EXDEV for the root as target and
 * for one inside proc or sysfs, EROFS for a missing one on a read-only root, ENOTDIR when source and target do not go together.
 */
export function mountIntoContainer({ process: identity, thing, target, owner }: ContainerMountRequest): void {
  using container = openContainer(identity);
  const covered = thing.kind === 'tmpfs' ? prepareTarget(container.root, tmpfsTarget(thing, target), owner) : undefined;
  const mount =
    thing.kind === 'tmpfs'
      ? makeMount('tmpfs', tmpfsOptions(thing, covered?.mode), target.path, thing.attributes)
      : cloneTree(thing.source, thing);
  try {
    const { path } = covered ?? prepareTarget(container.root, target, owner);
    if (path === '/') throw new SystemError(EXDEV, 'mount', target.path);
    const place = openInRoot(container.root, path, O_PATH | O_NOFOLLOW, 0, { noSymlinks: true });
    try {
      // Whoever covers parts of proc can make the engine's own commands inside believe anything.
      if (kernelFileSystems.has(statfsSync(`/proc/self/fd/${place}`).type)) {
        throw new SystemError(EXDEV, 'mount', target.path);
      }
      inMountNamespace(container.namespace, () => attachMount(mount, place));
    } finally {
      closeFd(place);
    }
  } finally {
    closeFd(mount);
  }
}

/**
 * Takes away what is mounted at `target` inside a running container, at once; processes that use it keep what they have
 * open. @throws SystemError: EXDEV when something else than `source` is mounted there now, EINVAL when nothing is.
 */
export function unmountFromContainer(identity: ProcessIdentity, target: string, source: string): void {
  using container = openContainer(identity);
  const place = openInRoot(container.root, target, O_PATH);
  const descriptors = openFd('/proc/thread-self/fd', O_PATH | O_DIRECTORY);
  try {
    const [here, wanted] = [fstatSync(place, { bigint: true }), statSync(source, { bigint: true })];
    // A container can put links on the way, to what hides parts of proc from it.
    if (here.dev !== wanted.dev || here.ino !== wanted.ino) throw new SystemError(EXDEV, 'umount', target);
    inMountNamespace(container.namespace, () => {
      check(libc.fchdir(descriptors), 'fchdir');
      unmountDescriptor(place);
    });
  } finally {
    closeFd(descriptors);
    closeFd(place);
  }
}
