import type { Volume, VolumeSnapshot } from '../spec/contract/storage.ts';

/** The kind of volume records in the state journal; their id is the volume's name. */
export const volumeKind = 'volume';

/** What is stored of a volume. */
interface VolumeRecord {
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly createdNs: string;
  readonly anonymous: boolean;
  /** Where the volume's directory is while there is none of its name: a rename was about to be made. */
  readonly comesFrom?: string;
  /** The change of key that has been decided, and may not have been made. */
  readonly keys?: string;
  readonly snapshots?: readonly SnapshotRecord[];
}

interface SnapshotRecord {
  readonly name: string;
  readonly createdNs: string;
  readonly labels: Readonly<Record<string, string>>;
  /** As `comesFrom`, for the snapshot's directory. */
  readonly comesFrom?: string;
}

/** The entry of the volumes' directory from which a volume's, or a snapshot's, directory is about to be renamed. */
export interface Arrivals {
  readonly volume?: string;
  /** Names a change of the volume's key: what is prepared for it counts from now on. */
  readonly keys?: string;
  readonly snapshots?: ReadonlyMap<string, string>;
}

export function toRecord(volume: Volume, arrivals: Arrivals = {}): VolumeRecord {
  const { snapshots = [] } = volume;
  return {
    labels: volume.labels,
    options: volume.options,
    createdNs: volume.createdNs.toString(),
    anonymous: volume.anonymous,
    ...(arrivals.volume === undefined ? {} : { comesFrom: arrivals.volume }),
    ...(arrivals.keys === undefined ? {} : { keys: arrivals.keys }),
    ...(snapshots.length === 0 ? {} : { snapshots: snapshots.map((one) => snapshotRecord(one, arrivals)) }),
  };
}

function snapshotRecord({ name, createdNs, labels }: VolumeSnapshot, { snapshots }: Arrivals): SnapshotRecord {
  const comesFrom = snapshots?.get(name);
  return { name, createdNs: createdNs.toString(), labels, ...(comesFrom === undefined ? {} : { comesFrom }) };
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
    ...(record.snapshots === undefined ? {} : { snapshots: record.snapshots.map(toSnapshot) }),
  };
}

const toSnapshot = ({ name, createdNs, labels }: SnapshotRecord): VolumeSnapshot => ({
  name,
  createdNs: BigInt(createdNs),
  labels,
});

/** What a record says of renames that were about to be made when it was written. */
export function arrivalsOf(value: unknown): Arrivals {
  const { comesFrom, keys, snapshots = [] } = value as VolumeRecord;
  const coming = snapshots.flatMap((one): [string, string][] =>
    one.comesFrom === undefined ? [] : [[one.name, one.comesFrom]],
  );
  return {
    ...(comesFrom === undefined ? {} : { volume: comesFrom }),
    ...(keys === undefined ? {} : { keys }),
    snapshots: new Map(coming),
  };
}
