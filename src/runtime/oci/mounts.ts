import { EngineError } from '../../base/errors.ts';
import type { LaunchMount, LaunchRequest } from '../../spec/contract/launch.ts';
import { mergeTmpfsOptions } from '../../spec/engine/tmpfs-options.ts';
import type { OciMount } from '../../spec/oci/runtime.ts';
import type { HostFacts } from './host.ts';

/** Bytes of /dev/shm when a container does not say. */
const defaultShmSize = 64 * 1024 * 1024;

/**
 * Where the init program appears in a container, under the name that Docker's users know. It lies in the engine's own
 * /dev: no link of the image can lead it astray, and it leaves no file behind in the writable layer. Where the user
 * mounts a /dev of his own, it lies where Docker has it.
 */
export const initTarget = (mounts: readonly LaunchMount[]): string =>
  mounts.some((mount) => mount.target === '/dev') ? '/sbin/docker-init' : '/dev/docker-init';

/**
 * All mounts of a container in the order in which they are made: the kernel's file systems first, then the requested
 * ones, parents before children. A requested mount takes the place of the engine's own at the same target, and hides
 * those below a requested `/dev`.
 */
export function containerMounts(request: LaunchRequest, host: HostFacts, writableCgroups: boolean): OciMount[] {
  const targets = new Set(request.mounts.map((mount) => mount.target));
  const covered = (target: string): boolean =>
    targets.has(target) || (target.startsWith('/dev/') && targets.has('/dev'));
  const own = kernelMounts(request, writableCgroups).filter((mount) => !covered(mount.destination));
  const byDepth = request.mounts
    .map((mount) => ({ mount, depth: depthOf(mount.target) }))
    .sort((a, b) => a.depth - b.depth)
    .map(({ mount }) => requestedMount(mount, host));
  return [...own, ...byDepth, ...initMount(request, host)];
}

/** The mounts that every container has. */
function kernelMounts(request: LaunchRequest, writableCgroups: boolean): OciMount[] {
  const { Privileged: privileged, ReadonlyRootfs: readonlyRootfs } = request.hostConfig;
  const sysfs = privileged && !readonlyRootfs ? [] : ['ro'];
  const cgroup = (privileged || writableCgroups) && !readonlyRootfs ? [] : ['ro'];
  return [
    mount('/proc', 'proc', 'proc', ['nosuid', 'noexec', 'nodev']),
    mount('/dev', 'tmpfs', 'tmpfs', ['nosuid', 'strictatime', 'mode=755', 'size=65536k']),
    mount('/dev/pts', 'devpts', 'devpts', ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5']),
    mount('/sys', 'sysfs', 'sysfs', ['nosuid', 'noexec', 'nodev', ...sysfs]),
    mount('/sys/fs/cgroup', 'cgroup', 'cgroup', ['nosuid', 'noexec', 'nodev', 'relatime', ...cgroup]),
    ...ipcMounts(request),
  ];
}

/** Message queues and shared memory belong together: with another's IPC namespace comes that one's /dev/shm. */
function ipcMounts(request: LaunchRequest): OciMount[] {
  const flags = ['nosuid', 'noexec', 'nodev'];
  const mqueue = mount('/dev/mqueue', 'mqueue', 'mqueue', flags);
  const shared = request.sharedMemory ?? (request.namespaces.ipc.kind === 'host' ? '/dev/shm' : undefined);
  if (shared !== undefined) return [mqueue, mount('/dev/shm', 'bind', shared, ['rbind', 'rprivate', ...flags])];
  if (request.hostConfig.IpcMode === 'none') return [mqueue];
  const size = request.hostConfig.ShmSize > 0 ? request.hostConfig.ShmSize : defaultShmSize;
  return [mqueue, mount('/dev/shm', 'tmpfs', 'shm', [...flags, 'mode=1777', `size=${size}`])];
}

const mount = (destination: string, type: string, source: string, options: string[]): OciMount => ({
  destination,
  type,
  source,
  options,
});

/** An init that is not process 1 of a namespace of its own would adopt nobody. */
export const takesInit = (request: LaunchRequest): boolean => request.useInit && request.namespaces.pid.kind === 'new';

function initMount(request: LaunchRequest, host: HostFacts): OciMount[] {
  if (!takesInit(request) || host.initPath === undefined) return [];
  return [mount(initTarget(request.mounts), 'bind', host.initPath, ['bind', 'rprivate', 'ro', 'nosuid', 'nodev'])];
}

/** What a container's tmpfs is mounted with. */
export const requestedTmpfsOptions = ({ options, readOnly }: Extract<LaunchMount, { kind: 'tmpfs' }>): string[] =>
  mergeTmpfsOptions(['noexec', 'nosuid', 'nodev', 'rprivate'], [...options, ...(readOnly ? ['ro'] : [])]);

function requestedMount(request: LaunchMount, host: HostFacts): OciMount {
  if (request.kind === 'tmpfs') {
    return mount(request.target, 'tmpfs', 'tmpfs', requestedTmpfsOptions(request));
  }
  const options = [request.recursive ? 'rbind' : 'bind', request.propagation === '' ? 'rprivate' : request.propagation];
  const own = new Set(request.flags ?? []);
  if (request.readOnly) {
    own.add('ro');
    if (request.readOnlyForceRecursive === true && !readsRecursively(host)) {
      throw new EngineError('unavailable', 'recursively read-only mounts need Linux 5.12 or newer');
    }
    if (request.recursive && request.readOnlyNonRecursive !== true && readsRecursively(host)) own.add('rro');
  }
  options.push(...own);
  return mount(request.target, 'bind', request.source, options);
}

/** mount_setattr(2), which makes submounts read-only too, came with Linux 5.12. */
const readsRecursively = (host: HostFacts): boolean =>
  host.kernel[0] > 5 || (host.kernel[0] === 5 && host.kernel[1] >= 12);

function depthOf(path: string): number {
  let depth = 0;
  for (const part of path.split('/')) if (part !== '') depth++;
  return depth;
}

/**
 * The propagation that the container's root needs for its binds: a shared or slave bind below a private root would
 * never see the host's mounts. Undefined for the runtime's default (rprivate).
 */
export function rootPropagation(mounts: readonly LaunchMount[]): string | undefined {
  const wanted = mounts.map((one) => (one.kind === 'bind' ? one.propagation : ''));
  if (wanted.some((mode) => mode === 'shared' || mode === 'rshared')) return 'shared';
  if (wanted.some((mode) => mode === 'slave' || mode === 'rslave')) return 'rslave';
  return undefined;
}
