import type { ByteStream } from '../../base/stream.ts';
import type { ArchiveCompression } from '../../spec/contract/archives.ts';
import type { Filters } from '../../spec/engine/filters.ts';
import type { CreateVolumeRequest, VolumeListView, VolumePruneView, VolumeView } from '../../spec/engine/volume.ts';
import type { VolumeSnapshotView } from '../../spec/engine/volume-snapshot.ts';

export interface VolumeApi extends VolumeCopiesApi {
  list(filters: Filters): Promise<VolumeListView>;
  create(request: CreateVolumeRequest): Promise<VolumeView>;
  inspect(name: string): Promise<VolumeView>;
  remove(name: string, options: { force: boolean }): Promise<void>;
  prune(filters: Filters): Promise<VolumePruneView>;
}

/** Gantry's own: copies of volumes. All: @throws not-found. */
export interface VolumeCopiesApi {
  /** A new volume with what another one holds. @throws conflict when the name is taken */
  clone(
    name: string,
    request: {
      readonly name: string;
      readonly snapshot?: string | undefined;
      readonly labels?: Readonly<Record<string, string>> | undefined;
    },
    signal: AbortSignal,
  ): Promise<VolumeView>;
  /** @throws conflict when the new name is taken, or a container refers to the volume */
  rename(name: string, newName: string): Promise<void>;
  /** Lets a volume that has a limit hold so many bytes. @throws invalid for less than before */
  resize(name: string, bytes: number, signal: AbortSignal): Promise<void>;
  /** Gives an encrypted volume another key: places as the option `encrypt` has them, undefined for what that says. */
  rekey(name: string, request: { readonly from?: string | undefined; readonly to?: string | undefined }): Promise<void>;
  /** A tar archive; a piece is only valid until the next one is asked for. */
  export(
    name: string,
    request: {
      readonly compression: ArchiveCompression;
      readonly snapshot?: string | undefined;
      /** Of an encrypted volume, whose archive is not encrypted. */
      readonly decrypt: boolean;
    },
    signal: AbortSignal,
  ): ByteStream;
  /** Unpacks a tar archive, whole or not at all; a missing volume is made. */
  import(
    name: string,
    archive: ByteStream,
    options: { readonly mode: 'empty' | 'merge' | 'replace'; readonly signal: AbortSignal },
  ): Promise<VolumeView>;
  snapshot(
    name: string,
    request: { readonly name?: string | undefined; readonly labels: Readonly<Record<string, string>> },
    signal: AbortSignal,
  ): Promise<VolumeSnapshotView>;
  /** Oldest first. */
  snapshots(name: string, signal: AbortSignal): Promise<VolumeSnapshotView[]>;
  inspectSnapshot(name: string, snapshot: string, signal: AbortSignal): Promise<VolumeSnapshotView>;
  removeSnapshot(name: string, snapshot: string): Promise<void>;
  /** @throws conflict while a container runs with the volume */
  restore(name: string, snapshot: string, signal: AbortSignal): Promise<void>;
}
