import { messageOf } from '../base/errors.ts';
import type { Digest, DiffId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { BlobStore } from './blobs/blobs.ts';
import type { LayerBackend } from './layers/backend.ts';
import { blobKey, type LeaseBook, layerKey } from './leases.ts';
import type { LiveContent } from './open.ts';
import type { OwnedSnapshots } from './snapshots/snapshots.ts';

/** What a collection deleted. */
export interface GarbageReport {
  readonly blobs: readonly Digest[];
  readonly layers: readonly DiffId[];
  /** Bytes on disk. */
  readonly bytes: number;
}

/** Layers that only containers need: what becomes garbage with the last of them. */
export type Outlived = Set<DiffId>;

interface Parts {
  readonly blobs: BlobStore;
  readonly layers: LayerBackend;
  readonly snapshots: Pick<OwnedSnapshots, 'layersInUse'>;
  readonly leases: LeaseBook;
  /** Filled by each collection. */
  readonly outlived: Outlived;
  readonly log: Logger;
}

/**
 * Lists first, asks `live` then: whatever was made later is not on the list, and what was made before is either live or
 * held by a lease in that moment. What cannot be deleted is logged, and left for the next time.
 */
export async function collectGarbage(parts: Parts, live: () => LiveContent): Promise<GarbageReport> {
  const blobs = await parts.blobs.list();
  const layers = parts.layers.list();
  parts.leases.beginCollection();
  parts.outlived.clear();
  try {
    const wanted = live();
    const report = { blobs: [] as Digest[], layers: [] as DiffId[], bytes: 0 };
    for (const { digest, size } of blobs) {
      if (wanted.blobs.has(digest)) continue;
      if (!(await attempt(parts, blobKey(digest), () => parts.blobs.delete(digest)))) continue;
      report.blobs.push(digest);
      report.bytes += size;
    }
    for (const { diffId, storedSize } of layers) {
      // Snapshots are asked anew for each: a container may have been created meanwhile.
      if (wanted.layers.has(diffId)) continue;
      if (parts.snapshots.layersInUse().has(diffId)) {
        parts.outlived.add(diffId);
        continue;
      }
      if (!(await attempt(parts, layerKey(diffId), () => parts.layers.delete(diffId)))) continue;
      report.layers.push(diffId);
      report.bytes += storedSize;
    }
    return report;
  } finally {
    parts.leases.endCollection();
  }
}

async function attempt({ leases, log }: Parts, key: string, remove: () => Promise<void>): Promise<boolean> {
  try {
    return await leases.condemn(key, remove);
  } catch (error) {
    log.warn('cannot delete unused content', { what: key, reason: messageOf(error) });
    return false;
  }
}
