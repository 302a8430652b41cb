import type { CloneVolumeRequest, CreateSnapshotRequest, RekeyVolumeRequest } from '../engine/volume-snapshot.ts';
import { decode, optional, record, string, struct } from './decoder.ts';

const createSnapshot = struct<CreateSnapshotRequest>('VolumeSnapshotRequest', { Name: string, Labels: record(string) });
const cloneVolume = struct<CloneVolumeRequest>('VolumeCloneRequest', {
  Name: string,
  Snapshot: string,
  Labels: optional(record(string)),
});
const rekeyVolume = struct<RekeyVolumeRequest>('VolumeRekeyRequest', { From: string, To: string });

/** The body of `POST /volumes/{name}/snapshots`. @throws EngineError `invalid`. */
export const decodeCreateSnapshot = (value: unknown): CreateSnapshotRequest => decode(createSnapshot, value);

/** The body of `POST /volumes/{name}/clone`. @throws EngineError `invalid`. */
export const decodeCloneVolume = (value: unknown): CloneVolumeRequest => decode(cloneVolume, value);

/** The body of `POST /volumes/{name}/rekey`. @throws EngineError `invalid`. */
export const decodeRekeyVolume = (value: unknown): RekeyVolumeRequest => decode(rekeyVolume, value);
