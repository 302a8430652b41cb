import type { LaunchMount, LaunchRequest } from '../../spec/contract/launch.ts';
import { mergeTmpfsOptions } from '../../spec/engine/tmpfs-options.ts';
import type { OciMount } from '../../spec/oci/runtime.ts';
import type { HostFacts } from './host.ts';

/** Bytes of /dev/shm when a container does not say. */
const defaultShmSize = 64 * 1024 * 1024;

/** Where the init program appears in a container, as users of Docker know it. */
export const initTarget = '/sbin/docker-init';

/**
 * All mounts of a container in the order in which they are made: the kernel's file systems first, then the requested
 * ones, parents before children. A requested mount takes the place of the engine's own at the same target, and hides
 * those below a requested `/dev`.
 */
export function containerMounts(request: LaunchRequest, host: HostFacts, writableCgroups: boolean): OciMount[] {
  const requested = [...request.mounts];
  const ownInit = initMount(request, host);
  if (ownInit !== undefined) requested.push(ownInit);
  const targets = new Set(requested.map((mount) => mount.target));
  const covered = (target: string): boolean =>
    targets.has(target) || (target.startsWith('/dev/') && targets.has('/dev'));
  const own = kernelMounts(request, writableCgroups).filter((mount) => !covered(mount.destination));
  const byDepth = requested
    .map((mount) => ({ mount, depth: depthOf(mount.target) }))
    .sort((a, b) => a.depth - b.depth)
    .map(({ mount }) => requestedMount(mount, host));
  return [...own, ...byDepth];
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

/** POSIX shared memory and message queues belong to the IPC namespace: with the host's come the host's directories. */
function ipcMounts(request: LaunchRequest): OciMount[] {
  if (request.namespaces.ipc.kind === 'host') {
    return [
      mount('/dev/mqueue', 'bind', '/dev/mqueue', ['rbind', 'rprivate', 'nosuid', 'noexec', 'nodev']),
      mount('/dev/shm', 'bind', '/dev/shm', ['rbind', 'rprivate', 'nosuid', 'noexec', 'nodev']),
    ];
  }
  const mqueue = mount('/dev/mqueue', 'mqueue', 'mqueue', ['nosuid', 'noexec', 'nodev']);
  if (request.hostConfig.IpcMode === 'none') return [mqueue];
  const size = request.hostConfig.ShmSize > 0 ? request.hostConfig.ShmSize : defaultShmSize;
  return [mqueue, mount('/dev/shm', 'tmpfs', 'shm', ['nosuid', 'noexec', 'nodev', 'mode=1777', `size=${size}`])];
}

const mount = (destination: string, type: string, source: string, options: string[]): OciMount => ({
  destination,
  type,
  source,
  options,
});

/** The init program, unless the caller mounts it itself at a target that it resolved. */
function initMount(request: LaunchRequest, host: HostFacts): LaunchMount | undefined {
  const source = host.initPath;
  if (!request.useInit || request.namespaces.pid.kind !== 'new' || source === undefined) return undefined;
  if (request.mounts.some((one) => one.kind === 'bind' && one.source === source)) return undefined;
  return {
    kind: 'bind',
    source,
    target: initTarget,
    readOnly: true,
    recursive: false,
    propagation: 'rprivate',
    engineOwned: true,
  };
}

function requestedMount(request: LaunchMount, host: HostFacts): OciMount {
  if (request.kind === 'tmpfs') {
    const options = mergeTmpfsOptions(
      ['noexec', 'nosuid', 'nodev', 'rprivate'],
      [...request.options, ...(request.readOnly ? ['ro'] : [])],
    );
    return mount(request.target, 'tmpfs', 'tmpfs', options);
  }
  const options = [request.recursive ? 'rbind' : 'bind', request.propagation === '' ? 'rprivate' : request.propagation];
  if (request.readOnly) {
    const whole = request.recursive && request.readOnlyNonRecursive !== true && readsRecursively(host);
    options.push('ro', ...(whole ? ['rro'] : []));
  }
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
