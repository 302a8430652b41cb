import { join } from 'node:path';
import { conflict, type EngineError, messageOf, notFound } from '../base/errors.ts';
import { type ContainerId, randomHex64 } from '../base/ids.ts';
import type { Volume, VolumeRequest, Volumes } from '../spec/contract/storage.ts';
import { closeFd } from '../sys/ffi/descriptor.ts';
import { diskUsage } from '../sys/file/usage.ts';
import { makeVolumeDirectory, removeVolumeDirectory, snapshotsFolder } from './directories.ts';
import { copyUp, openCopySource } from './copy-up.ts';
import { takenByDisk } from './disk/disk.ts';
import { makeVolumeDisk } from './disk/make.ts';
import { checkVolumeName } from './name.ts';
import { diskOf, isMountedVolume, parseVolumeOptions } from './options.ts';
import { toRecord, volumeKind } from './record.ts';
import { placeVolume, volumeEvent, withStage } from './stage.ts';
import type { VolumeState } from './state.ts';

/** The label by which clients know volumes without a name of their own. */
export const anonymousLabel = 'com.docker.volume.anonymous';

/** The volumes, and what only the API asks for. */
export interface OwnedVolumes extends Omit<Volumes, 'resume' | 'settle'> {
  /** What the parts of this room work on. */
  readonly state: VolumeState;
  /** Bytes on disk, those of its snapshots too. @throws not-found, cancelled. */
  diskUsage(name: string, signal?: AbortSignal): Promise<number>;
}

/** The driver `local`: a directory of the engine's own for each volume, where options may mount something. */
export class LocalVolumes implements OwnedVolumes {
  readonly state: VolumeState;
  readonly #volumes: Map<string, Volume>;

  constructor(state: VolumeState) {
    this.state = state;
    this.#volumes = state.volumes;
  }

  async ensure(request: VolumeRequest): Promise<Volume> {
    const name = request.name ?? randomHex64();
    if (request.name !== undefined) checkVolumeName(name);
    return this.state.order.run(name, async () => {
      refuseOtherDrivers(name, request.driver);
      const existing = this.#volumes.get(name);
      if (existing !== undefined) return existing;
      parseVolumeOptions(name, request.options ?? {});
      return this.#create(name, request);
    });
  }

  get(name: string): Volume | undefined {
    return this.#volumes.get(name);
  }

  list(): readonly Volume[] {
    return [...this.#volumes.values()];
  }

  remove(name: string, { force = false }: { force?: boolean } = {}): Promise<void> {
    return this.state.order.run(name, async () => {
      const volume = this.#volumes.get(name);
      if (volume === undefined) {
        if (force) return;
        throw noSuchVolume(name);
      }
      const users = this.users(name);
      if (users.length > 0) throw conflict(`remove ${name}: volume is in use - [${users.join(', ')}]`);
      this.state.holds.refuseHeld(name, `remove ${name}`);
      // Gone for everybody in the moment in which nobody uses it.
      this.#volumes.delete(name);
      try {
        await this.state.journal.commit({
          records: [{ op: 'delete', kind: volumeKind, id: name }],
          events: [volumeEvent('destroy', name)],
        });
      } catch (error) {
        this.#volumes.set(name, volume);
        throw error;
      }
      await removeVolumeDirectory(this.state.directory, name).catch((error: unknown) =>
        this.state.log.error('cannot delete the content of a removed volume', { name, reason: messageOf(error) }),
      );
    });
  }

  mount(name: string, containerId: ContainerId): Promise<void> {
    return this.state.order.run(name, async () => {
      await this.state.mounts.acquire(find(this.#volumes, name), containerId);
      this.state.holds.begin(name, containerId);
    });
  }

  unmount(name: string, containerId: ContainerId): Promise<void> {
    return this.state.order.run(name, async () => {
      this.state.holds.end(name, containerId);
      const volume = this.#volumes.get(name);
      if (volume !== undefined) await this.state.mounts.release(volume, containerId);
    });
  }

  retain(name: string, containerId: ContainerId): void {
    const users = this.state.users.get(name);
    if (users === undefined) this.state.users.set(name, new Set([containerId]));
    else users.add(containerId);
  }

  release(name: string, containerId: ContainerId): void {
    const users = this.state.users.get(name);
    users?.delete(containerId);
    if (users?.size === 0) this.state.users.delete(name);
  }

  users(name: string): readonly ContainerId[] {
    return [...(this.state.users.get(name) ?? [])];
  }

  copyUp(name: string, root: string, path: string): Promise<void> {
    return this.state.order.run(name, async () => {
      const volume = find(this.#volumes, name);
      const staging = join(this.state.directory, name, '_copy');
      const exclusive = this.users(name).length <= 1;
      // Looked for first: without it, a volume that cannot be mounted is no matter until the container starts.
      const source = await openCopySource(root, path);
      if (source === undefined) return;
      try {
        await this.state.mounts.acquire(volume, 'copy-up');
        const { mountpoint: data } = volume;
        await copyUp({ source, data, staging, exclusive, mounted: isMountedVolume(volume) });
      } finally {
        closeFd(source);
        await this.state.mounts.release(volume, 'copy-up');
      }
    });
  }

  async diskUsage(name: string, signal?: AbortSignal): Promise<number> {
    const volume = find(this.#volumes, name);
    const own = join(this.state.directory, name);
    if (diskOf(volume) !== undefined) return takenByDisks(own, volume);
    const kept = (volume.snapshots ?? []).length === 0 ? [] : [join(own, snapshotsFolder)];
    const sizes = await Promise.all([volume.mountpoint, ...kept].map((path) => diskUsage(path, signal)));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  async #create(name: string, request: VolumeRequest): Promise<Volume> {
    const { directory, journal, clock, secretFolders } = this.state;
    const anonymous = request.name === undefined;
    const volume: Volume = {
      name,
      driver: 'local',
      mountpoint: join(directory, name, '_data'),
      labels: { ...request.labels, ...(anonymous ? { [anonymousLabel]: '' } : {}) },
      options: { ...request.options },
      createdNs: clock.nowNs(),
      anonymous,
    };
    const disk = diskOf(volume);
    if (disk !== undefined) {
      await withStage(this.state, async (stage) => {
        const use = { name, source: disk, secretFolders };
        await makeVolumeDisk(join(directory, stage.entry), use, volume.options);
        await placeVolume(this.state, stage, volume, {});
      });
      return volume;
    }
    await makeVolumeDirectory(directory, name);
    try {
      await journal.commit({
        records: [{ op: 'put', kind: volumeKind, id: name, value: toRecord(volume) }],
        events: [volumeEvent('create', name)],
      });
    } catch (error) {
      await removeVolumeDirectory(directory, name).catch(() => undefined);
      throw error;
    }
    this.#volumes.set(name, volume);
    return volume;
  }
}

const isLocal = (driver: string | undefined): boolean => driver === undefined || driver === '' || driver === 'local';

export const noSuchVolume = (name: string): EngineError => notFound(`get ${name}: no such volume`);

function find(volumes: ReadonlyMap<string, Volume>, name: string): Volume {
  const volume = volumes.get(name);
  if (volume === undefined) throw noSuchVolume(name);
  return volume;
}

function refuseOtherDrivers(name: string, driver: string | undefined): void {
  if (isLocal(driver)) return;
  throw notFound(`create ${name}: error looking up volume plugin ${driver}: plugin "${driver}" not found`);
}

/** With its snapshots. */
async function takenByDisks(directory: string, { snapshots = [] }: Volume): Promise<number> {
  const all = [directory, ...snapshots.map((snapshot) => join(directory, snapshotsFolder, snapshot.name))];
  const sizes = await Promise.all(all.map((path) => takenByDisk(path)));
  return sizes.reduce((sum, size) => sum + size, 0);
}
