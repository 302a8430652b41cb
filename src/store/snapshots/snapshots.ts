import { mkdir, readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { KeyedMutex } from '../../base/async.ts';
import { EngineError, messageOf, notFound } from '../../base/errors.ts';
import type { ContainerId, DiffId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import { Scope } from '../../base/scope.ts';
import type { Snapshots } from '../../spec/contract/storage.ts';
import type { MountOption } from '../../sys/mount/mount.ts';
import { mountOverlay, unmount } from '../../sys/mount/mount.ts';
import { readMountTable } from '../../sys/mount/table.ts';
import { ensureDirectory, removeTree } from '../files/durable.ts';
import type { LayerBackend, MountedLayer } from '../layers/backend.ts';
import { createSnapshot, readSnapshotLayers, type SnapshotPaths, snapshotPaths } from './_directory.ts';
import { findUnguarded, putGuards } from './_guard.ts';
import { diskUsage } from './_usage.ts';

/**
 * `redirect_dir=nofollow` and `metacopy=off`: nothing in a writable layer can point at other files of the layers.
 * `index=off`: an upper directory may be mounted again after its layers were mounted anew.
 */
const overlayOptions: readonly MountOption[] = [
  ['redirect_dir', 'nofollow'],
  ['metacopy', 'off'],
  ['index', 'off'],
];

/** So many stacks of layers are remembered with the names that need a guard. */
const rememberedStacks = 256;

export interface SnapshotOptions {
  /** Holds a directory for each container. */
  readonly directory: string;
  /** Where the roots of containers are mounted. */
  readonly mountDirectory: string;
  /** An empty directory: the lower layer of images without any. */
  readonly emptyDirectory: string;
  readonly layers: LayerBackend;
  readonly log: Logger;
}

/** The snapshots, and which layers they need. */
export interface OwnedSnapshots extends Snapshots {
  /** The layers of all snapshots: they must stay. */
  layersInUse(): ReadonlySet<DiffId>;
}

/** Opens the writable layers below `options.directory`; `restore` must be called before any other method. */
export async function openSnapshots(options: SnapshotOptions): Promise<OwnedSnapshots> {
  for (const path of [options.directory, options.mountDirectory]) await ensureDirectory(path);
  await ensureDirectory(options.emptyDirectory, 0o755);
  return new OverlaySnapshots(options);
}

interface Snapshot {
  readonly paths: SnapshotPaths;
  readonly layers: readonly DiffId[];
  /** The layers that its mount holds; undefined while it is not mounted. */
  held: readonly MountedLayer[] | undefined;
}

class OverlaySnapshots implements OwnedSnapshots {
  readonly #options: SnapshotOptions;
  readonly #snapshots = new Map<ContainerId, Snapshot>();
  readonly #order = new KeyedMutex<ContainerId>();
  /** By the ids of a stack's layers and the wanted names: the names that are no directories in it. */
  readonly #unguarded = new Map<string, ReadonlySet<string>>();

  constructor(options: SnapshotOptions) {
    this.#options = options;
  }

  layersInUse(): ReadonlySet<DiffId> {
    return new Set([...this.#snapshots.values()].flatMap((snapshot) => snapshot.layers));
  }

  prepare(id: ContainerId, layers: readonly DiffId[]): Promise<void> {
    return this.#order.run(id, async () => {
      for (const layer of layers) {
        if (this.#options.layers.info(layer) === undefined) throw notFound(`layer ${layer} is not in the store`);
      }
      const paths = snapshotPaths(this.#options.directory, id);
      // Known before it is there: from now on the garbage collector spares its layers.
      if (this.#snapshots.has(id)) throw new EngineError('conflict', 'the container has a writable layer already');
      this.#snapshots.set(id, { paths, layers, held: undefined });
      try {
        await createSnapshot(paths, layers);
      } catch (error) {
        this.#snapshots.delete(id);
        throw error;
      }
    });
  }

  mount(id: ContainerId, guard: readonly string[]): Promise<string> {
    return this.#order.run(id, async () => {
      const snapshot = this.#get(id);
      const target = this.#targetOf(id);
      if (snapshot.held === undefined) await this.#mount(snapshot, target, guard);
      return target;
    });
  }

  unmount(id: ContainerId): Promise<void> {
    return this.#order.run(id, async () => {
      const snapshot = this.#snapshots.get(id);
      if (snapshot !== undefined) await this.#unmount(snapshot, this.#targetOf(id));
    });
  }

  remove(id: ContainerId): Promise<void> {
    return this.#order.run(id, async () => {
      const snapshot = this.#snapshots.get(id);
      if (snapshot !== undefined) await this.#unmount(snapshot, this.#targetOf(id));
      await removeTree(snapshotPaths(this.#options.directory, id).root);
      this.#snapshots.delete(id);
    });
  }

  async usage(id: ContainerId): Promise<{ writable: number; layers: number }> {
    const { paths, layers } = this.#get(id);
    const below = layers.map((layer) => this.#options.layers.info(layer)?.contentSize ?? 0);
    return { writable: await diskUsage(paths.upper), layers: below.reduce((sum, size) => sum + size, 0) };
  }

  async restore(known: ReadonlySet<ContainerId>): Promise<void> {
    const mounted = await this.#sweepMounts(known);
    for (const name of await readdir(this.#options.directory)) {
      const id = name as ContainerId;
      const paths = snapshotPaths(this.#options.directory, id);
      try {
        if (!known.has(id)) await removeTree(paths.root);
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

  #targetOf(id: ContainerId): string {
    return join(this.#options.mountDirectory, id);
  }

  async #mount(snapshot: Snapshot, target: string, guard: readonly string[]): Promise<void> {
    const { upper, work } = snapshot.paths;
    await using scope = new Scope();
    const held = await this.#holdLayers(snapshot.layers, scope);
    const lower = held.length === 0 ? [this.#options.emptyDirectory] : held.map((layer) => layer.path);
    await putGuards(upper, guard, await this.#unguardedIn(snapshot.layers, lower, guard));
    await mkdir(target, { recursive: true, mode: 0o700 });
    await mountOverlay({ lower, upper, work, target, options: overlayOptions });
    snapshot.held = held;
    scope.commit();
  }

  async #unguardedIn(
    layers: readonly DiffId[],
    lower: readonly string[],
    guard: readonly string[],
  ): Promise<ReadonlySet<string>> {
    const key = [...guard, ...layers].join(' ');
    const remembered = this.#unguarded.get(key);
    if (remembered !== undefined) return remembered;
    const found = await findUnguarded(lower, guard);
    if (this.#unguarded.size >= rememberedStacks) this.#unguarded.clear();
    this.#unguarded.set(key, found);
    return found;
  }

  /** Mounts the layers, topmost first, down to one that hides all below it. */
  async #holdLayers(layers: readonly DiffId[], scope: Scope): Promise<MountedLayer[]> {
    const held: MountedLayer[] = [];
    for (const diffId of layers.toReversed()) {
      held.push(await scope.acquire(this.#options.layers.mount(diffId), (layer) => layer.release()));
      if (this.#options.layers.info(diffId)?.opaqueRoot === true) break;
    }
    return held;
  }

  async #unmount(snapshot: Snapshot, target: string): Promise<void> {
    if (snapshot.held === undefined) return;
    await unmount(target, { lazy: true });
    for (const layer of snapshot.held) layer.release();
    snapshot.held = undefined;
    await rmdir(target).catch(() => undefined);
  }

  /** Unmounts what belongs to no known container; gives the ids of the others that are mounted. */
  async #sweepMounts(known: ReadonlySet<ContainerId>): Promise<Set<ContainerId>> {
    const prefix = `${this.#options.mountDirectory}/`;
    const mounted = new Set<ContainerId>();
    // The last mount first: what lies on top must go before what is under it.
    for (const { target } of (await readMountTable()).reverse()) {
      if (!target.startsWith(prefix)) continue;
      const id = target.slice(prefix.length) as ContainerId;
      if (known.has(id) && !mounted.has(id)) mounted.add(id);
      else await unmount(target, { lazy: true });
    }
    for (const name of await readdir(this.#options.mountDirectory)) {
      if (!mounted.has(name as ContainerId))
        await rmdir(join(this.#options.mountDirectory, name)).catch(() => undefined);
    }
    return mounted;
  }

  async #restoreOne(id: ContainerId, paths: SnapshotPaths, isMounted: boolean): Promise<void> {
    const layers = await readSnapshotLayers(paths);
    for (const path of [paths.upper, paths.work]) await mkdir(path, { recursive: true, mode: 0o755 });
    const snapshot: Snapshot = { paths, layers, held: undefined };
    this.#snapshots.set(id, snapshot);
    if (!isMounted) return;
    // Mounted it is, whatever becomes of the layers.
    snapshot.held = [];
    await using scope = new Scope();
    snapshot.held = await this.#holdLayers(layers, scope);
    scope.commit();
  }
}
