import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { KeyedMutex } from '../../base/async.ts';
import { EngineError, messageOf, notFound } from '../../base/errors.ts';
import type { ContainerId, DiffId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import type { SetOfContainers, Snapshots, SnapshotUse } from '../../spec/contract/storage.ts';
import type { IdMapping } from '../../spec/contract/user-namespace.ts';
import type { OverlayMethod } from '../../sys/mount/mount.ts';
import { ensureDirectory } from '../../sys/file/durable.ts';
import { removeTrees } from '../../sys/file/place.ts';
import type { LayerBackend } from '../layers/backend.ts';
import { createSnapshot, readSnapshot, type SnapshotFacts, type SnapshotPaths, snapshotPaths } from './_directory.ts';
import { Snapshot } from './_snapshot.ts';
import { LayerStacks } from './_stack.ts';
import { sweepMounts } from './_sweep.ts';
import { limitedWritable, unlimitedWritable } from './_writable.ts';

export interface SnapshotOptions {
  /** Holds a directory for each container. */
  readonly directory: string;
  /** Where the roots of containers are mounted. */
  readonly mountDirectory: string;
  /** Where the file systems of writable layers with a limit are mounted. */
  readonly diskDirectory: string;
  /** An empty directory: the lower layer of images without any. */
  readonly emptyDirectory: string;
  readonly layers: LayerBackend;
  readonly overlay: OverlayMethod;
  /** Called with the layers of a snapshot that is gone. */
  readonly onRemoved?: (layers: readonly DiffId[]) => void;
  readonly log: Logger;
}

/** The snapshots, and which layers they need. */
export interface OwnedSnapshots extends Snapshots {
  /** The layers of all snapshots: they must stay. */
  layersInUse(): ReadonlySet<DiffId>;
}

/** Opens the writable layers below `options.directory`; `restore` must be called before any other method. */
export async function openSnapshots(options: SnapshotOptions): Promise<OwnedSnapshots> {
  for (const path of [options.directory, options.mountDirectory, options.diskDirectory]) await ensureDirectory(path);
  await ensureDirectory(options.emptyDirectory, 0o755);
  return new OverlaySnapshots(options);
}

class OverlaySnapshots implements OwnedSnapshots {
  readonly #options: SnapshotOptions;
  readonly #snapshots = new Map<ContainerId, Snapshot>();
  readonly #order = new KeyedMutex<ContainerId>();
  readonly #stacks: LayerStacks;

  constructor(options: SnapshotOptions) {
    this.#options = options;
    this.#stacks = new LayerStacks(options);
  }

  list(): ReturnType<Snapshots['list']> {
    return Array.from(this.#snapshots, ([id, { layers, ids }]) => ({
      id,
      layers,
      ...(ids === undefined ? {} : { ids }),
    }));
  }

  layersInUse(): ReadonlySet<DiffId> {
    return new Set([...this.#snapshots.values()].flatMap((snapshot) => snapshot.layers));
  }

  prepare(
    id: ContainerId,
    layers: readonly DiffId[],
    { limit, ids }: { readonly limit?: number; readonly ids?: IdMapping } = {},
  ): Promise<void> {
    return this.#order.run(id, async () => {
      for (const layer of layers) {
        if (this.#options.layers.info(layer) === undefined) throw notFound(`layer ${layer} is not in the store`);
      }
      const paths = snapshotPaths(this.#options.directory, id);
      // Known before it is there: from now on the garbage collector spares its layers.
      if (this.#snapshots.has(id)) throw new EngineError('conflict', 'the container has a writable layer already');
      const facts = { layers, limit, ids };
      this.#snapshots.set(id, this.#newSnapshot(id, paths, facts));
      try {
        await createSnapshot(paths, facts);
      } catch (error) {
        this.#snapshots.delete(id);
        throw error;
      }
    });
  }

  mount(id: ContainerId, guard: readonly string[], options: { readonly passing?: boolean } = {}): Promise<string> {
    return this.#order.run(id, async () => {
      const snapshot = this.#get(id);
      await snapshot.mount(guard, options.passing ?? false);
      return snapshot.target;
    });
  }

  use(id: ContainerId, guard: readonly string[]): Promise<SnapshotUse> {
    return this.#order.run(id, async () => {
      const snapshot = this.#get(id);
      const layers = await snapshot.use(guard);
      return { root: snapshot.target, layers, release: () => this.#order.run(id, () => snapshot.release()) };
    });
  }

  unmount(id: ContainerId): Promise<void> {
    return this.#order.run(id, () => this.#snapshots.get(id)?.unmount());
  }

  async remove(id: ContainerId): Promise<void> {
    const snapshot = this.#snapshots.get(id);
    await snapshot?.endUse();
    await this.#order.run(id, async () => {
      await snapshot?.unmount();
      await removeTrees([snapshotPaths(this.#options.directory, id).root]);
      this.#snapshots.delete(id);
      if (snapshot !== undefined) this.#options.onRemoved?.(snapshot.layers);
    });
  }

  async usage(id: ContainerId, signal?: AbortSignal): Promise<{ writable: number; layers: number }> {
    const snapshot = this.#get(id);
    const below = snapshot.layers.map((layer) => this.#options.layers.info(layer)?.contentSize ?? 0);
    // What must be mounted to be measured must not be mounted by somebody else meanwhile.
    const measure = (): Promise<number> => snapshot.usage(signal);
    const writable = await (snapshot.isLimited ? this.#order.run(id, measure) : measure());
    return { writable, layers: below.reduce((sum, size) => sum + size, 0) };
  }

  async restore(known: SetOfContainers): Promise<void> {
    const mounted = await sweepMounts(this.#options.mountDirectory, known);
    await sweepMounts(this.#options.diskDirectory, mounted);
    for (const name of await readdir(this.#options.directory)) {
      const id = name as ContainerId;
      const paths = snapshotPaths(this.#options.directory, id);
      try {
        if (!known.has(id)) await removeTrees([paths.root]);
        else await this.#restoreOne(id, paths, mounted.has(id));
      } catch (error) {
        this.#options.log.error('cannot restore a writable layer', { id, reason: messageOf(error) });
      }
    }
  }

  #get(id: ContainerId): Snapshot {
    const snapshot = this.#snapshots.get(id);
    if (snapshot === undefined) throw notFound(`container ${id} has no writable layer`);
    return snapshot;
  }

  #newSnapshot(id: ContainerId, paths: SnapshotPaths, { layers, limit, ids }: SnapshotFacts): Snapshot {
    const { mountDirectory, diskDirectory } = this.#options;
    const writable = limit === undefined ? unlimitedWritable(paths) : limitedWritable(paths, join(diskDirectory, id));
    return new Snapshot({ writable, layers, target: join(mountDirectory, id), stacks: this.#stacks, ids });
  }

  async #restoreOne(id: ContainerId, paths: SnapshotPaths, isMounted: boolean): Promise<void> {
    const facts = await readSnapshot(paths);
    if (facts.limit === undefined) {
      for (const path of [paths.upper, paths.work]) await mkdir(path, { recursive: true, mode: 0o755 });
    }
    const snapshot = this.#newSnapshot(id, paths, facts);
    this.#snapshots.set(id, snapshot);
    if (isMounted) await snapshot.adopt();
  }
}
