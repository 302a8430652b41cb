import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest, DiffId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { ImageMountPlaces } from '../spec/contract/storage.ts';
import { type BlobStore, openBlobStore } from './blobs/blobs.ts';
import { ensureDirectory } from '../sys/file/durable.ts';
import { collectGarbage, type GarbageReport, type Outlived } from './gc.ts';
import type { LayerBackend } from './layers/backend.ts';
import { openLayers } from './layers/open.ts';
import { type Lease, LeaseBook } from './leases.ts';
import { knownSupport } from './_known-support.ts';
import type { StorageSupport, StorageWishes } from './support.ts';
import { openImageMounts } from './snapshots/image-mounts.ts';
import { openRunMounts, type OwnedRunMounts } from './snapshots/run-mounts.ts';
import { openSnapshots, type OwnedSnapshots } from './snapshots/snapshots.ts';

export interface StoreOptions {
  /**
   * Absolute and free of links. Made when it is absent; it gets the mode 0710, what is in it 0700. It need not be in a
   * shared mount for the roots of containers: such a root is unmounted together with the directory that it was at, and
   * with that directory it goes in all copies of the host's mounts, those that monitors live in too.
   */
  readonly dataRoot: string;
  /** What the operator wants to be otherwise than the host suggests. */
  readonly wishes?: StorageWishes;
  readonly log: Logger;
}

/** What refers to content; asked for synchronously, in the moment of the collection. */
export interface LiveContent {
  readonly blobs: ReadonlySet<Digest>;
  readonly layers: ReadonlySet<DiffId>;
}

/** Images and the file systems of containers, as they lie on this host's disk. */
export interface Store {
  /** How layers are kept and stacked on this host. */
  readonly support: StorageSupport;
  readonly blobs: BlobStore;
  readonly layers: LayerBackend;
  /** `snapshots.restore` must be called once, after the containers are known and before anything else is done. */
  readonly snapshots: OwnedSnapshots;
  /** `runs.restore` likewise. */
  readonly runs: OwnedRunMounts;
  /** `imageMounts.restore` likewise. */
  readonly imageMounts: ImageMountPlaces;
  /** Protects what an operation makes or relies on until its record is committed; see `Lease`. */
  lease(): Lease;
  /**
   * Deletes all blobs and layers that `live` does not name, no lease holds and no snapshot needs. Collections run one
   * after the other.
   */
  collectGarbage(live: () => LiveContent): Promise<GarbageReport>;
  /** Calls `listener` when a container goes that was the last to need a layer: there is something to collect. */
  onGarbage(listener: () => void): void;
  /** Stops workers and unmounts what no container uses. */
  close(): Promise<void>;
}

/**
 * Opens the store below the data root:
 *
 *     blobs/sha256/<hex>      content as pulled             ingest/        downloads and uploads under way
 *     layers/<hex>.erofs, layers/<hex>/   layers            snapshots/<id> writable layers of containers
 *     mounts/layers/<hex>     mounted layers                mounts/roots/<id>   mounted roots of containers
 *     mounts/disks/<id>       writable layers with a limit  mounts/runs/<id>/... shared memory, images and places of
 *                                                           running containers
 *     mounts/images/<hex>/root     images that are mounted on the host, by their manifests
 *
 * Temporary files are swept, mounts of an earlier engine adopted. @throws EngineError, SystemError.
 */
export async function openStore({ dataRoot, wishes = {}, log }: StoreOptions): Promise<Store> {
  await mkdir(dataRoot, { recursive: true, mode: 0o710 });
  await chmod(dataRoot, 0o710);
  const mounts = join(dataRoot, 'mounts');
  await ensureDirectory(mounts);
  const support = await knownSupport(mounts, wishes);
  const blobs = await openBlobStore(dataRoot);
  const layers = await openLayers({
    kind: support.kind,
    erofs: support.erofs,
    directory: join(dataRoot, 'layers'),
    mountDirectory: join(mounts, 'layers'),
    log,
  });
  const outlived: Outlived = new Set();
  let tellGarbage = (): void => undefined;
  const snapshots = await openSnapshots({
    directory: join(dataRoot, 'snapshots'),
    mountDirectory: join(mounts, 'roots'),
    diskDirectory: join(mounts, 'disks'),
    emptyDirectory: join(mounts, 'empty'),
    layers,
    overlay: support.overlay,
    onRemoved: (gone) => {
      if (gone.some((layer) => outlived.has(layer) && !snapshots.layersInUse().has(layer))) tellGarbage();
    },
    log,
  });
  const runs = await openRunMounts({
    directory: join(mounts, 'runs'),
    overlays: join(mounts, 'overlays'),
    emptyDirectory: join(mounts, 'empty'),
    layers,
    overlay: support.overlay,
    log,
  });
  const imageMounts = await openImageMounts({
    directory: join(mounts, 'images'),
    emptyDirectory: join(mounts, 'empty'),
    layers,
    overlay: support.overlay,
    log,
  });
  const inUse = { layersInUse: () => snapshots.layersInUse().union(runs.layersInUse()) };
  const leases = new LeaseBook();
  let collecting: Promise<unknown> = Promise.resolve();
  return {
    support,
    blobs,
    layers,
    snapshots,
    runs,
    imageMounts,
    lease: () => leases.open(),
    collectGarbage(live) {
      const run = collecting.then(() =>
        collectGarbage({ blobs, layers, snapshots: inUse, leases, outlived, log }, live),
      );
      collecting = run.catch(() => undefined);
      return run;
    },
    onGarbage(listener) {
      tellGarbage = listener;
    },
    async close() {
      await collecting;
      await layers.close();
    },
  };
}
