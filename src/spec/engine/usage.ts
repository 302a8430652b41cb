import type { ContainerSummary } from './container.ts';
import type { ImageSummary } from './image.ts';
import type { VolumeView } from './volume.ts';

/** The kinds of objects that `GET /system/df` can be asked for. */
export type UsageKind = 'container' | 'image' | 'volume' | 'build-cache';

/** What objects of one kind take on the disk, in bytes. */
export interface KindUsage<T> {
  readonly items: readonly T[];
  readonly totalSize: number;
  /** Those in use. */
  readonly active: number;
  /** What would be free without those that nobody uses. */
  readonly reclaimable: number;
}

/** What was asked for. */
export interface DiskUsageReport {
  readonly containers?: KindUsage<ContainerSummary>;
  readonly images?: KindUsage<ImageSummary>;
  readonly volumes?: KindUsage<VolumeView>;
  readonly buildCache?: KindUsage<BuildCacheItem>;
}

/** One entry of the build cache. */
export interface BuildCacheItem {
  readonly ID: string;
  /** Ids of records that it stands on; left out for none. */
  readonly Parents?: readonly string[];
  readonly Type: string;
  readonly Description: string;
  readonly InUse: boolean;
  readonly Shared: boolean;
  readonly Size: number;
  readonly CreatedAt: string;
  readonly LastUsedAt: string | null;
  readonly UsageCount: number;
}

/** `GET /system/df` before API 1.52. */
export interface DiskUsageView {
  LayersSize?: number;
  Images?: readonly ImageSummary[] | null;
  Containers?: readonly ContainerSummary[] | null;
  Volumes?: readonly VolumeView[] | null;
  BuildCache?: readonly BuildCacheItem[] | null;
}

/** `POST /networks/prune` and `POST /build/prune`. */
export interface NetworkPruneView {
  NetworksDeleted: string[] | null;
}
export interface BuildPruneView {
  CachesDeleted: string[] | null;
  SpaceReclaimed: number;
}
