import type { ContainerId } from '../../base/ids.ts';
import { conflict, EngineError, invalid, messageOf } from '../../base/errors.ts';
import type { LaunchMount } from '../../spec/contract/launch.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import type { MountAttributes, MountOption, Propagation } from '../../sys/mount/calls.ts';
import type { MountedThing } from '../../sys/namespace/container-mounts.ts';
import { mountIntoContainerAsync, unmountFromContainerAsync } from '../../sys/namespace/live-mounts.ts';
import { requestedTmpfsOptions } from '../oci/mounts.ts';
import type { LauncherContext } from './context.ts';
import { liveContainer } from './create.ts';

/** See `Launcher.mount`. */
export async function mountIntoContainer(
  context: LauncherContext,
  id: ContainerId,
  mount: LaunchMount,
  kind: 'directory' | 'file',
  owner?: { readonly uid: number; readonly gid: number },
): Promise<void> {
  const { process } = liveContainer(context, id);
  const target = { path: mount.target, kind };
  await mountIntoContainerAsync({ process, thing: thingOf(mount), target, owner }).catch((error: unknown) => {
    throw explained(error, mount.target);
  });
}

/** See `Launcher.unmount`. */
export async function unmountFromContainer(
  context: LauncherContext,
  id: ContainerId,
  target: string,
  source: string,
): Promise<void> {
  const { process } = liveContainer(context, id);
  await unmountFromContainerAsync(process, target, source).catch((error: unknown) => {
    const code = systemCode(error);
    if (code === 'EXDEV' || code === 'EINVAL' || code === 'ENOENT') {
      throw new EngineError('unavailable', `something else is at ${target} now`, { cause: error });
    }
    throw explained(error, target);
  });
}

function thingOf(mount: LaunchMount): MountedThing {
  if (mount.kind === 'tmpfs') return tmpfsOf(mount);
  const { source, recursive, readOnly, propagation } = mount;
  const mode = propagation.startsWith('r') ? propagation.slice(1) : propagation;
  return {
    kind: 'bind',
    source,
    recursive,
    propagation: (mode === '' ? 'private' : mode) as Propagation,
    attributes: readOnly ? { readOnly } : {},
    attributesBelow: mount.readOnlyNonRecursive !== true,
  };
}

const flagAttributes: Readonly<Record<string, keyof MountAttributes>> = {
  ro: 'readOnly',
  noexec: 'noExec',
  nosuid: 'noSuid',
  nodev: 'noDev',
  noatime: 'noAtime',
};

function tmpfsOf(mount: Extract<LaunchMount, { kind: 'tmpfs' }>): MountedThing {
  const options: MountOption[] = [];
  const attributes: { -readonly [Name in keyof MountAttributes]: MountAttributes[Name] } = {};
  for (const option of requestedTmpfsOptions(mount)) {
    const at = option.indexOf('=');
    const attribute = flagAttributes[option];
    if (at > 0) options.push([option.slice(0, at), option.slice(at + 1)]);
    else if (attribute !== undefined) attributes[attribute] = true;
  }
  return { kind: 'tmpfs', options, attributes };
}

/** `unavailable` for what a new start of the container may well be able to do. */
function explained(error: unknown, target: string): unknown {
  switch (systemCode(error)) {
    case 'ESRCH':
      return conflict('the container has ended');
    case 'EXDEV':
      return invalid(`cannot mount at ${target}: it is the root, or inside of a kernel file system`, error);
    case 'ENOTDIR':
    case 'EISDIR':
      return invalid(
        `cannot mount at ${target}: only a folder can be mounted on a folder, and a file on a file`,
        error,
      );
    case 'EROFS':
    case 'EPERM':
    case 'EINVAL':
    case 'ENOSYS':
      return new EngineError('unavailable', messageOf(error), { cause: error });
    default:
      return error;
  }
}
