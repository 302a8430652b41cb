import { EngineError, messageOf } from '../base/errors.ts';
import type { ContainerId } from '../base/ids.ts';
import type { Volume } from '../spec/contract/storage.ts';
import { bindMount, mountFileSystem, unmount } from '../sys/mount/mount.ts';
import { isMounted } from '../sys/mount/table.ts';
import { renewDirectory } from './_directories.ts';
import { parseVolumeOptions, type VolumeSource } from './options.ts';

/**
 * The mounts of volumes with options: made for the first container that runs with the volume, undone after the last.
 * Calls for one volume must come one after the other. A mount of an earlier engine is taken over by its first user.
 */
export class VolumeMounts {
  readonly #users = new Map<string, Set<ContainerId | 'copy-up'>>();

  /** @throws internal, as Docker answers, when the mount fails; options are not named in it: they may hold passwords. */
  async acquire(volume: Volume, user: ContainerId | 'copy-up'): Promise<void> {
    const source = parseVolumeOptions(volume.name, volume.options);
    if (source === undefined) return;
    const users = this.#users.get(volume.name) ?? new Set();
    if (users.size === 0 && !(await isMounted(volume.mountpoint))) await mountAt(volume, source);
    users.add(user);
    this.#users.set(volume.name, users);
  }

  async release(volume: Volume, user: ContainerId | 'copy-up'): Promise<void> {
    const users = this.#users.get(volume.name);
    users?.delete(user);
    if ((users?.size ?? 0) > 0) return;
    this.#users.delete(volume.name);
    if (Object.keys(volume.options).length === 0) return;
    if (await unmount(volume.mountpoint, { lazy: true })) await renewDirectory(volume.mountpoint);
  }
}

async function mountAt({ name, mountpoint }: Volume, source: VolumeSource): Promise<void> {
  try {
    if (source.kind === 'bind') {
      await bindMount(source.device, mountpoint, { ...source.attributes, recursive: source.recursive });
    } else await mountFileSystem(source.type, source.options, mountpoint, source.attributes);
  } catch (error) {
    const why = `failed to mount local volume: mount ${source.device}:${mountpoint}: ${messageOf(error)}`;
    throw new EngineError('internal', `error while mounting volume '${mountpoint}': ${why}`, {
      cause: { name, error },
    });
  }
}
