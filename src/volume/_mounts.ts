import { dirname } from 'node:path';
import { conflict, EngineError, messageOf } from '../base/errors.ts';
import type { Volume } from '../spec/contract/storage.ts';
import { bindMount, mountFileSystem, unmount } from '../sys/mount/mount.ts';
import { isMounted } from '../sys/mount/table.ts';
import { renewDirectory } from './directories.ts';
import { hasLostDisk, mountVolumeDisk, unmountVolumeDisk } from './disk/mount.ts';
import { shownOptions, withAddress } from './_network-device.ts';
import { diskOf, isMountedVolume, parseVolumeOptions, type VolumeSource } from './options.ts';

/**
 * The mounts of volumes with options: made for the first container that runs with the volume, undone after the last.
 * Calls for one volume must come one after the other. A mount of an earlier engine is taken over by its first user.
 */
export class VolumeMounts {
  readonly #users = new Map<string, Set<string>>();
  readonly #secretFolders: readonly string[];

  constructor(secretFolders: readonly string[]) {
    this.#secretFolders = secretFolders;
  }

  /** `user`: the id of a container, or any other name that nobody else has. @throws internal, as Docker answers, when the mount fails; passwords are not in it. */
  async acquire(volume: Volume, user: string): Promise<void> {
    const source = parseVolumeOptions(volume.name, volume.options);
    if (source === undefined) return;
    const users = this.#users.get(volume.name) ?? new Set();
    if (source.kind === 'disk' && (await hasLostDisk(dirname(volume.mountpoint)))) {
      // A mount beside the broken one would show some of them files that the others do not see.
      if (users.size > 0) throw lostDisk(volume.name, users);
      await unmountVolume(volume);
    }
    if (users.size === 0 && !(await isMounted(volume.mountpoint))) {
      await mountAt(volume, source, this.#secretFolders);
    }
    users.add(user);
    this.#users.set(volume.name, users);
  }

  async release(volume: Volume, user: string): Promise<void> {
    const users = this.#users.get(volume.name);
    users?.delete(user);
    if ((users?.size ?? 0) > 0) return;
    this.#users.delete(volume.name);
    if (isMountedVolume(volume)) await unmountVolume(volume);
  }

  /** After a boot: undoes the mount of an earlier engine that nobody has taken over. True when there was one. */
  async sweep(volume: Volume): Promise<boolean> {
    if (!isMountedVolume(volume) || this.#users.has(volume.name) || !(await isMounted(volume.mountpoint))) return false;
    await unmountVolume(volume);
    return true;
  }
}

function lostDisk(name: string, users: ReadonlySet<string>): EngineError {
  const why = 'the program that decrypts it has ended: stop the containers that run with it';
  return conflict(`mount ${name}: ${why} - [${[...users].join(', ')}]`);
}

async function unmountVolume(volume: Volume): Promise<void> {
  if (diskOf(volume) !== undefined) return unmountVolumeDisk(dirname(volume.mountpoint));
  if (await unmount(volume.mountpoint, { lazy: true })) await renewDirectory(volume.mountpoint);
}

/** How each kind of source comes to a volume's mountpoint. @throws SystemError with the kernel's words */
const mounters: {
  readonly [Kind in VolumeSource['kind']]: (
    source: Extract<VolumeSource, { kind: Kind }>,
    volume: Volume,
    secretFolders: readonly string[],
  ) => Promise<void>;
} = {
  bind: ({ device, recursive, attributes }, { mountpoint }) =>
    bindMount(device, mountpoint, { ...attributes, recursive }),
  disk: (source, { name, mountpoint }, secretFolders) =>
    mountVolumeDisk(dirname(mountpoint), { name, source, secretFolders }),
  filesystem: ({ type, device, options, attributes }, { mountpoint }) =>
    mountFileSystem(type, [['source', device], ...options], mountpoint, attributes),
};

/** What is mounted, as an error shows it. */
function shown(source: VolumeSource, mountpoint: string): string {
  const options = source.kind === 'filesystem' ? shownOptions(source) : '';
  return `mount ${source.device}:${mountpoint}${options === '' ? '' : `, data: ${options}`}`;
}

type AnyMounter = (source: VolumeSource, volume: Volume, secretFolders: readonly string[]) => Promise<void>;

async function mountAt(volume: Volume, wanted: VolumeSource, secretFolders: readonly string[]): Promise<void> {
  const { name, mountpoint } = volume;
  let source = wanted;
  let what = '';
  try {
    if (source.kind === 'filesystem') source = await withAddress(source);
    what = `failed to mount local volume: ${shown(source, mountpoint)}: `;
    // The table has for each kind what takes that kind.
    const mounter = mounters[source.kind] as AnyMounter;
    await mounter(source, volume, secretFolders);
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new EngineError('internal', `error while mounting volume '${mountpoint}': ${what}${messageOf(error)}`, {
      cause: { name, error },
    });
  }
}
