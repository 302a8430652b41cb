import type { DiffId } from '../../base/ids.ts';
import type { IngestPool } from './_ingest_pool.ts';
import type { LayerInfo, MountedLayer } from './backend.ts';

/** How layers lie on the disk: what differs between the backends. Paths are absolute. */
export interface LayerForm {
  readonly kind: 'erofs' | 'dir';
  /** The name of a finished layer in the directory of layers. */
  nameOf(diffId: DiffId): string;
  /** Which layer has this name; undefined for names of another form. */
  layerOf(name: string): DiffId | undefined;
  /** What the layer at `path` says about itself. @throws EngineError `corrupt`. */
  readInfo(path: string): Promise<LayerInfo>;
  /** What is wrong with the layer at `path` beside what it says about itself. */
  inspect(path: string, info: LayerInfo, pool: IngestPool): Promise<string | undefined>;
  /** How two layers made of one archive differ. */
  compare(fresh: string, stored: string, pool: IngestPool): Promise<string | undefined>;
  readonly roots: LayerRoots;
}

/** The directories that show layers, counted by users. */
export interface LayerRoots {
  users(diffId: DiffId): number;
  /** Counts one user; the layer is at `path`. */
  acquire(diffId: DiffId, path: string): Promise<MountedLayer>;
  /** Takes a layer that is to be deleted out of use. @throws conflict while it has users. */
  drop(diffId: DiffId): Promise<void>;
  /** Takes over what an earlier engine left; what is not in `known` goes. */
  adopt(known: ReadonlySet<DiffId>): Promise<void>;
  /** Undoes what is kept for layers without users. */
  close(): Promise<void>;
}
