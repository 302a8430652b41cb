/** A volume, in lists and inspected. */
export interface VolumeView {
  Name: string;
  Driver: string;
  Mountpoint: string;
  /** RFC 3339. */
  CreatedAt: string;
  Status?: Record<string, unknown>;
  Labels: Record<string, string> | null;
  Scope: 'local' | 'global';
  Options: Record<string, string> | null;
  /** Bytes and references; only in `GET /system/df`. */
  UsageData?: { Size: number; RefCount: number };
}

/** The decoded body of `POST /volumes/create`. */
export interface CreateVolumeRequest {
  /** Empty for an anonymous volume. */
  Name: string;
  /** Empty for `local`. */
  Driver: string;
  DriverOpts: Record<string, string>;
  Labels: Record<string, string>;
  /** Of a volume that the whole swarm shares; what is in it is not looked at. */
  ClusterVolumeSpec?: object | undefined;
}

export interface VolumeListView {
  Volumes: VolumeView[];
  Warnings: string[] | null;
}

/** `POST /volumes/prune`. */
export interface VolumePruneView {
  VolumesDeleted: string[];
  /** Bytes. */
  SpaceReclaimed: number;
}
