import type { Volume } from '../spec/contract/storage.ts';

/** The kind of volume records in the state journal; their id is the volume's name. */
export const volumeKind = 'volume';

/** What is stored of a volume. */
interface VolumeRecord {
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly createdNs: string;
  readonly anonymous: boolean;
}

export function toRecord(volume: Volume): VolumeRecord {
  return {
    labels: volume.labels,
    options: volume.options,
    createdNs: volume.createdNs.toString(),
    anonymous: volume.anonymous,
  };
}

/** The volume that a record describes; undefined when the record is not readable. */
export function fromRecord(name: string, mountpoint: string, value: unknown): Volume | undefined {
  const record = value as Partial<VolumeRecord> | null;
  if (typeof record !== 'object' || record === null || typeof record.createdNs !== 'string') return undefined;
  return {
    name,
    driver: 'local',
    mountpoint,
    labels: record.labels ?? {},
    options: record.options ?? {},
    createdNs: BigInt(record.createdNs),
    anonymous: record.anonymous === true,
  };
}
