import { chown, stat } from 'node:fs/promises';
import { notFound } from '../../base/errors.ts';
import type { DiffId } from '../../base/ids.ts';
import type { LayeredRoot } from '../../spec/contract/files.ts';
import { diskUsage } from '../../sys/file/usage.ts';
import { type IdMapping, rootOwner } from '../../spec/contract/user-namespace.ts';
import { unmountAndRemove } from '../../sys/mount/mount.ts';
import type { MountedLayer } from '../layers/backend.ts';
import type { LayerStacks } from './_stack.ts';
import type { Writable } from './_writable.ts';

interface SnapshotParts {
  readonly writable: Writable;
  readonly layers: readonly DiffId[];
  readonly target: string;
  readonly stacks: LayerStacks;
  readonly ids: IdMapping | undefined;
}

/**
 * One writable layer and its mount, which is there while its container runs or somebody looks into it. Calls come one
 * after the other, but for `endUse`.
 */
export class Snapshot {
  readonly layers: readonly DiffId[];
  readonly target: string;
  readonly #writable: Writable;
  readonly #stacks: LayerStacks;
  /** The container's user namespace; undefined for the host's. */
  readonly ids: IdMapping | undefined;
  /** The layers that its mount holds; undefined while it is not mounted. */
  #held: readonly MountedLayer[] | undefined;
  /** Its container runs, or is about to. */
  #runs = false;
  #users = 0;
  /** It is to be deleted: resolves when nobody looks into it any more. */
  #unused: PromiseWithResolvers<void> | undefined;

  constructor({ writable, layers, target, stacks, ids }: SnapshotParts) {
    this.#writable = writable;
    this.layers = layers;
    this.target = target;
    this.#stacks = stacks;
    this.ids = ids;
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
    return { upper: this.#writable.upper, lower: (this.#held ?? []).map((layer) => layer.path), ids: this.ids };
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

  /** Its changes are in a file system of their own, which must be mounted to be looked at. */
  get isLimited(): boolean {
    return this.#writable.limited;
  }

  /** Bytes on disk of what its container wrote. */
  async usage(signal?: AbortSignal): Promise<number> {
    if (this.#held !== undefined) return diskUsage(this.#writable.upper, signal);
    await this.#writable.open();
    try {
      return await diskUsage(this.#writable.upper, signal);
    } finally {
      await this.#writable.close();
    }
  }

  async #mount(guard: readonly string[], passing: boolean): Promise<void> {
    if (this.#held !== undefined) return;
    const { upper, work, limited } = this.#writable;
    await this.#writable.open();
    try {
      if (this.ids !== undefined && limited) await giveNew(upper, rootOwner(this.ids));
      const at = { upper, work, target: this.target, volatile: passing, ids: this.ids };
      this.#held = await this.#stacks.mount(this.layers, at, guard);
    } catch (error) {
      await this.#writable.close();
      throw error;
    }
  }

  async #unmountUnused(): Promise<void> {
    if (this.#held === undefined || this.#runs || this.#users > 0) return;
    await unmountAndRemove(this.target);
    await this.#writable.close();
    for (const layer of this.#held) layer.release();
    this.#held = undefined;
  }
}

/** A directory in a file system of its own belongs to the host's root at first. */
async function giveNew(upper: string, owner: { readonly uid: number; readonly gid: number }): Promise<void> {
  const { uid, gid } = await stat(upper);
  if (uid === 0 && gid === 0) await chown(upper, owner.uid, owner.gid);
}
