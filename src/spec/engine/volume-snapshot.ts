/** A snapshot of a volume (an addition to Docker's API). */
export interface VolumeSnapshotView {
  Name: string;
  Volume: string;
  /** RFC 3339. */
  CreatedAt: string;
  Labels: Record<string, string>;
  /** Bytes, where they were counted. */
  Size?: number;
}

/** The decoded body of `POST /volumes/{name}/snapshots`. */
export interface CreateSnapshotRequest {
  /** Empty: the time. */
  Name: string;
  Labels: Record<string, string>;
}

/** The decoded body of `POST /volumes/{name}/clone`. */
export interface CloneVolumeRequest {
  /** Of the new volume. */
  Name: string;
  /** Empty: what the volume holds now. */
  Snapshot: string;
  /** Undefined: those of the volume. */
  Labels: Record<string, string> | undefined;
}

/** The decoded body of `POST /volumes/{name}/rekey`; empty: where the option `encrypt` says. */
export interface RekeyVolumeRequest {
  From: string;
  To: string;
}
