import type { DiffId } from '../../base/ids.ts';
import type { GrowingFile } from '../blobs/growing.ts';
import type { ArchiveFeed } from './feed.ts';

/** An archive: a file, one that is still being written, or (not compressed) what passes by. */
export type ArchiveSource = string | GrowingFile | ArchiveFeed;

/** What is known of a layer. */
export interface LayerInfo {
  readonly diffId: DiffId;
  /** Bytes of its uncompressed archive. */
  readonly archiveSize: number;
  /** Bytes of the content of its files. */
  readonly contentSize: number;
  /** Bytes that it takes on this host's disk. */
  readonly storedSize: number;
  /** Files, directories, links and whiteouts. */
  readonly inodes: number;
  /** It hides everything below it: layers under it need not be mounted. */
  readonly opaqueRoot: boolean;
}

/** The use of a mounted layer. `release` may be called once; the layer is not deleted before. */
export interface MountedLayer {
  readonly diffId: DiffId;
  /** Absolute path of its root, read-only, the same for all users. */
  readonly path: string;
  release(): void;
}

export interface IngestOptions {
  /** What the uncompressed archive must hash to. Two calls for the same one share the work. */
  readonly expected?: DiffId;
  /** Bytes of the uncompressed archive that are too many. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
  /** Called now and then with the bytes of the source that were read. */
  readonly onProgress?: (bytesRead: number) => void;
}

/**
 * Keeps the read-only layers of images, each by its diff ID: the digest of its uncompressed archive. The life of a
 * layer:
 *
 *     ingest ──> present ──mount──> mounted ──release──> present ──delete──> gone
 *                   └───────────────── delete ─────────────────────────────────┘
 *
 * - `ingest` reads an archive once, hashes it, and stores what it describes in the backend's own form. A layer is
 *   there whole or not at all: whatever interrupts it, nothing with its name exists before everything is on disk.
 * - A layer never changes. Ingesting what is present already changes nothing.
 * - `mount` gives a directory that shows the layer as overlayfs wants a lower layer: whiteouts are character devices
 *   0/0, opaque directories carry `trusted.overlay.opaque`. It is mounted once, however many users it has.
 * - `delete` is refused while somebody uses it; it costs next to nothing, whatever the size.
 * - After a crash the next `open` removes what was half made and adopts mounts of the engine before.
 *
 * `layers/contract.ts` is the suite that every backend passes.
 */
export interface LayerBackend {
  /** `erofs`, `dir`. */
  readonly kind: string;
  /**
   * Stores the layer whose archive (tar; plain, gzip or zstd) is the file at `source`, or is still being written to it, or
   * passes by: then the work goes on beside the writing, and ends only after that is complete. @throws invalid for archives that
   * are refused, corrupt for damaged ones or another hash than expected, no-space, cancelled.
   */
  ingest(source: ArchiveSource, options?: IngestOptions): Promise<LayerInfo>;
  info(diffId: DiffId): LayerInfo | undefined;
  list(): readonly LayerInfo[];
  /** @throws not-found. */
  mount(diffId: DiffId): Promise<MountedLayer>;
  /** How many users a layer has. */
  users(diffId: DiffId): number;
  /** Deleting what is not there is no error. @throws conflict while it has users. */
  delete(diffId: DiffId): Promise<void>;
  /**
   * Looks for damage: what the layer says about itself must hold and, when its archive is given, reading that again
   * must give the same bytes. Returns what is wrong, or undefined. @throws not-found.
   */
  verify(diffId: DiffId, archivePath?: string): Promise<string | undefined>;
  /** Unmounts what has no users and stops what runs. Mounts in use stay for the next engine. */
  close(): Promise<void>;
}
