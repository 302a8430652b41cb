/**
 * A container's file system as it looks from outside of the container: its root with binds and volumes in their places,
 * in a mount namespace that no process lives in. For the syscall worker.
 */
import { constants } from 'node:fs';
import { closeFd, openFd } from '../ffi/descriptor.ts';
import { bind, restrictMounts } from '../mount/calls.ts';
import { O_PATH, openInRoot } from '../paths/inroot.ts';
import { inPrivateMounts } from './mount.ts';

export interface ViewMount {
  /** On the host; links in it are followed. */
  readonly source: string;
  /** Inside the root, where it must exist; links are followed inside the root. */
  readonly target: string;
  readonly readOnly: boolean;
  /** With what is mounted below the source. */
  readonly recursive: boolean;
}

export interface ViewRequest {
  /** The mounted root; trusted. */
  readonly root: string;
  /** Parents before children. */
  readonly mounts: readonly ViewMount[];
  /** Nothing at all can be written. */
  readonly readOnly: boolean;
  /** The root itself cannot be written; its mounts may be. */
  readonly readOnlyRoot: boolean;
}

/** Descriptors of the view: its root (O_PATH), and the namespace, which holds the mounts as long as it is open. */
export interface OpenView {
  readonly root: number;
  readonly namespace: number;
}

/**
 * Builds the view. Devices in it cannot be opened and nothing in it can be run, whatever a container puts there. To be
 * given to `closeView`. @throws SystemError.
 */
export function openView({ root, mounts, readOnly, readOnlyRoot }: ViewRequest): OpenView {
  return inPrivateMounts({ hidden: [] }, () => {
    const rootFd = openFd(root, O_PATH | constants.O_DIRECTORY);
    try {
      const harmless = { noDev: true, noSuid: true, noExec: true };
      restrictMounts(rootFd, { ...harmless, ...(readOnly || readOnlyRoot ? { readOnly: true } : {}) });
      for (const mount of mounts) {
        const target = openInRoot(rootFd, mount.target, O_PATH);
        try {
          const attributes = { ...harmless, ...(readOnly || mount.readOnly ? { readOnly: true } : {}) };
          bind(mount.source, target, { ...attributes, recursive: mount.recursive });
        } finally {
          closeFd(target);
        }
      }
      return { root: rootFd, namespace: openFd('/proc/thread-self/ns/mnt', 0) };
    } catch (error) {
      closeFd(rootFd);
      throw error;
    }
  });
}

/** Lets go of a view: its mounts go with it. May take milliseconds, so not on the main thread. */
export function closeView({ root, namespace }: OpenView): void {
  closeFd(root);
  closeFd(namespace);
}
