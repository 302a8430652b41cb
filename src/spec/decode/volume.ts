import type { CreateVolumeRequest } from '../engine/volume.ts';
import { decode, optional, record, string, struct } from './decoder.ts';

const createVolume = struct<CreateVolumeRequest>('VolumeCreateRequest', {
  Name: string,
  Driver: string,
  DriverOpts: record(string),
  Labels: record(string),
  ClusterVolumeSpec: optional(struct<object>('ClusterVolumeSpec', {})),
});

/** The body of `POST /volumes/create`. @throws EngineError `invalid`. */
export const decodeCreateVolume = (value: unknown): CreateVolumeRequest => decode(createVolume, value);
