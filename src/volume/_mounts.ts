import { dirname } from 'node:path';
import { EngineError, messageOf } from '../base/errors.ts';
import type { Volume } from '../spec/contract/storage.ts';
import { bindMount, mountFileSystem, unmount } from '../sys/mount/mount.ts';
import { isMounted } from '../sys/mount/table.ts';
import { renewDirectory } from './directories.ts';
import { mountVolumeDisk } from './disk/disk.ts';
import { shownOptions, withAddress } from './_network-device.ts';
import { isMountedVolume, parseVolumeOptions, type VolumeSource } from './options.ts';

/**
 * The mounts of volumes with options: made for the first container that runs with the volume, undone after the last.
 * Calls for one volume must come one after the other. A mount of an earlier engine is taken over by its first user.
 */
export class VolumeMounts {
  readonly #users = new Map<string, Set<string>>();

  /** `user`: the id of a container, or any other name that nobody else has. @throws internal, as Docker answers, when the mount fails; passwords are not in it. */
  async acquire(volume: Volume, user: string): Promise<void> {
    const source = parseVolumeOptions(volume.name, volume.options);
    if (source === undefined) return;
    const users = this.#users.get(volume.name) ?? new Set();
    if (users.size === 0 && !(await isMounted(volume.mountpoint))) await mountAt(volume, source);
    users.add(user);
    this.#users.set(volume.name, users);
  }

  async release(volume: Volume, user: string): Promise<void> {
    const users = this.#users.get(volume.name);
    users?.delete(user);
    if ((users?.size ?? 0) > 0) return;
    this.#users.delete(volume.name);
    if (!isMountedVolume(volume)) return;
    if (await unmount(volume.mountpoint, { lazy: true })) await renewDirectory(volume.mountpoint);
  }
}

/** How each kind of source comes to a volume's mountpoint. @throws SystemError with the kernel's words */
const mounters: {
  readonly [Kind in VolumeSource['kind']]: (
    source: Extract<VolumeSource, { kind: Kind }>,
    volume: Volume,
  ) => Promise<void>;
} = {
  bind: ({ device, recursive, attributes }, { mountpoint }) =>
    bindMount(device, mountpoint, { ...attributes, recursive }),
  disk: (source, { name, mountpoint }) => mountVolumeDisk(dirname(mountpoint), name, source),
  filesystem: ({ type, device, options, attributes }, { mountpoint }) =>
    mountFileSystem(type, [['source', device], ...options], mountpoint, attributes),
};

/** What is mounted, as an error shows it. */
function shown(source: VolumeSource, mountpoint: string): string {
  const options = source.kind === 'filesystem' ? shownOptions(source) : '';
  return `mount ${source.device}:${mountpoint}${options === '' ? '' : `, data: ${options}`}`;
}

async function mountAt(volume: Volume, wanted: VolumeSource): Promise<void> {
  const { name, mountpoint } = volume;
  let source = wanted;
  let what = '';
  try {
    if (source.kind === 'filesystem') source = await withAddress(source);
    what = `failed to mount local volume: ${shown(source, mountpoint)}: `;
    // The table has for each kind what takes that kind.
    await (mounters[source.kind] as (source: VolumeSource, volume: Volume) => Promise<void>)(source, volume);
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new EngineError('internal', `error while mounting volume '${mountpoint}': ${what}${messageOf(error)}`, {
      cause: { name, error },
    });
  }
}
