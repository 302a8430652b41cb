import { notFound } from '../../base/errors.ts';
import type { DiffId } from '../../base/ids.ts';
import type { LayeredRoot } from '../../spec/contract/files.ts';
import { unmountAndRemove } from '../../sys/mount/mount.ts';
import type { MountedLayer } from '../layers/backend.ts';
import type { SnapshotPaths } from './_directory.ts';
import type { LayerStacks } from './_stack.ts';

interface SnapshotParts {
  readonly paths: SnapshotPaths;
  readonly layers: readonly DiffId[];
  readonly target: string;
  readonly stacks: LayerStacks;
}

/**
 * One writable layer and its mount, which is there while its container runs or somebody looks into it. Calls come one
 * after the other, but for `endUse`.
 */
export class Snapshot {
  readonly layers: readonly DiffId[];
  readonly paths: SnapshotPaths;
  readonly target: string;
  readonly #stacks: LayerStacks;
  /** The layers that its mount holds; undefined while it is not mounted. */
  #held: readonly MountedLayer[] | undefined;
  /** Its container runs, or is about to. */
  #runs = false;
  #users = 0;
  /** It is to be deleted: resolves when nobody looks into it any more. */
  #unused: PromiseWithResolvers<void> | undefined;

  constructor({ paths, layers, target, stacks }: SnapshotParts) {
    this.paths = paths;
    this.layers = layers;
    this.target = target;
    this.#stacks = stacks;
  }

  /** For a run of its container, until `unmount`. */
  async mount(guard: readonly string[], passing: boolean): Promise<void> {
    await this.#mount(guard, passing);
    this.#runs = true;
  }

  async unmount(): Promise<void> {
    this.#runs = false;
    await this.#unmountUnused();
  }

  /** For somebody who looks into it, until `release`. @throws not-found when it is to be deleted. */
  async use(guard: readonly string[]): Promise<LayeredRoot> {
    if (this.#unused !== undefined) throw notFound('the container is being removed');
    await this.#mount(guard, false);
    this.#users++;
    return { upper: this.paths.upper, lower: (this.#held ?? []).map((layer) => layer.path) };
  }

  async release(): Promise<void> {
    this.#users--;
    await this.#unmountUnused();
    if (this.#users === 0) this.#unused?.resolve();
  }

  /** Lets nobody in any more; resolves when nobody looks into it. */
  async endUse(): Promise<void> {
    this.#unused ??= Promise.withResolvers();
    if (this.#users > 0) await this.#unused.promise;
  }

  /** An earlier engine left it mounted. */
  async adopt(): Promise<void> {
    this.#runs = true;
    // Mounted it is, whatever becomes of the layers.
    this.#held = [];
    this.#held = await this.#stacks.hold(this.layers);
  }

  async #mount(guard: readonly string[], passing: boolean): Promise<void> {
    this.#held ??= await this.#stacks.mount(
      this.layers,
      { upper: this.paths.upper, work: this.paths.work, target: this.target, volatile: passing },
      guard,
    );
  }

  async #unmountUnused(): Promise<void> {
    if (this.#held === undefined || this.#runs || this.#users > 0) return;
    await unmountAndRemove(this.target);
    for (const layer of this.#held) layer.release();
    this.#held = undefined;
  }
}
