import { dirname } from 'node:path';
import { formatTime } from '../../base/clock.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { Volume, VolumeSnapshot } from '../../spec/contract/storage.ts';
import type { VolumeView } from '../../spec/engine/volume.ts';
import type { VolumeSnapshotView } from '../../spec/engine/volume-snapshot.ts';
import { diskUsage } from '../../sys/file/usage.ts';
import { takenByDisk } from '../disk/disk.ts';
import { diskOf } from '../options.ts';
import { viewOf } from '../service.ts';
import { type CloneRequest, cloneVolume, renameVolume } from './clone.ts';
import { type CopiesContext, findSnapshot, findVolume } from './context.ts';
import { type RekeyRequest, rekeyVolume } from './rekey.ts';
import { resizeVolume } from './resize.ts';
import { makeSnapshot, removeSnapshot, restoreSnapshot, type SnapshotRequest } from './snapshots.ts';
import { snapshotData } from './stage.ts';
import { type ExportRequest, exportVolume, importVolume, type ImportMode } from './transfer.ts';

/** Copies of volumes, as the API offers them. All: @throws not-found. */
export interface VolumeCopies {
  clone(name: string, request: CloneRequest, signal: AbortSignal): Promise<VolumeView>;
  rename(name: string, newName: string): Promise<void>;
  /** Lets a volume that has a limit hold so many bytes; never less than before. */
  resize(name: string, bytes: number, signal: AbortSignal): Promise<void>;
  /** Gives an encrypted volume another key. */
  rekey(name: string, request: RekeyRequest): Promise<void>;
  /** A piece is only valid until the next one is asked for. */
  export(name: string, request: ExportRequest, signal: AbortSignal): ByteStream;
  import(
    name: string,
    archive: ByteStream,
    options: { readonly mode: ImportMode; readonly signal: AbortSignal },
  ): Promise<VolumeView>;
  snapshot(name: string, request: SnapshotRequest, signal: AbortSignal): Promise<VolumeSnapshotView>;
  /** Oldest first, with their sizes. */
  snapshots(name: string, signal: AbortSignal): Promise<VolumeSnapshotView[]>;
  inspectSnapshot(name: string, snapshot: string, signal: AbortSignal): Promise<VolumeSnapshotView>;
  removeSnapshot(name: string, snapshot: string): Promise<void>;
  restore(name: string, snapshot: string, signal: AbortSignal): Promise<void>;
}

export function createVolumeCopies(ctx: CopiesContext): VolumeCopies {
  const { state } = ctx;
  const sized = async (volume: Volume, snapshot: VolumeSnapshot, signal: AbortSignal): Promise<VolumeSnapshotView> => ({
    ...snapshotView(volume, snapshot),
    Size: await sizeOf(volume, snapshotData(state, volume, snapshot.name), signal),
  });
  return {
    clone: async (name, request, signal) => viewOf(await cloneVolume(ctx, name, request, signal)),
    rename: (name, newName) => renameVolume(ctx, name, newName),
    resize: (name, bytes, signal) => resizeVolume(ctx, name, bytes, signal),
    rekey: (name, request) => rekeyVolume(ctx, name, request),
    export: (name, request, signal) => exportVolume(ctx, name, request, signal),
    import: async (name, archive, options) => viewOf(await importVolume(ctx, name, archive, options)),
    async snapshot(name, request, signal) {
      const snapshot = await makeSnapshot(ctx, name, request, signal);
      return snapshotView(findVolume(state, name), snapshot);
    },
    async snapshots(name, signal) {
      const volume = findVolume(state, name);
      return Promise.all((volume.snapshots ?? []).map((snapshot) => sized(volume, snapshot, signal)));
    },
    async inspectSnapshot(name, snapshot, signal) {
      const volume = findVolume(state, name);
      return sized(volume, findSnapshot(volume, snapshot), signal);
    },
    removeSnapshot: (name, snapshot) => removeSnapshot(ctx, name, snapshot),
    restore: (name, snapshot, signal) => restoreSnapshot(ctx, name, snapshot, signal),
  };
}

const sizeOf = (volume: Volume, data: string, signal: AbortSignal): Promise<number> =>
  diskOf(volume) === undefined ? diskUsage(data, signal) : takenByDisk(dirname(data));

const snapshotView = (volume: Volume, { name, createdNs, labels }: VolumeSnapshot): VolumeSnapshotView => ({
  Name: name,
  Volume: volume.name,
  CreatedAt: formatTime(createdNs),
  Labels: { ...labels },
});
