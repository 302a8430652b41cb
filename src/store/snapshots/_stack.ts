import { rmdir } from 'node:fs/promises';
import type { DiffId } from '../../base/ids.ts';
import { Scope } from '../../base/scope.ts';
import { bindMount, type MountOption, mountOverlay, type OverlayMethod } from '../../sys/mount/mount.ts';
import type { LayerBackend, MountedLayer } from '../layers/backend.ts';
import { findUnguarded } from './_guard.ts';
import type { IdMapping } from '../../spec/contract/user-namespace.ts';
import { withOwners } from './_owners.ts';

/**
 * `redirect_dir=nofollow` and `metacopy=off`: nothing in a writable layer can point at other files of the layers.
 * `index=off`: an upper directory may be mounted again after its layers were mounted anew.
 */
export const overlayOptions: readonly MountOption[] = [
  ['redirect_dir', 'nofollow'],
  ['metacopy', 'off'],
  ['index', 'off'],
];

const noShiftedLayers =
  'this kernel cannot show layers with the owners of a user namespace (idmapped mounts below overlayfs: Linux 5.19)';

/** So many stacks of layers are remembered with the names that need a guard. */
const rememberedStacks = 256;

/** Stacks layers into overlays. */
export class LayerStacks {
  readonly #layers: LayerBackend;
  readonly #emptyDirectory: string;
  readonly #method: OverlayMethod;
  /** By the ids of a stack's layers and the wanted names: the names that are no directories in it. */
  readonly #unguarded = new Map<string, ReadonlySet<string>>();

  constructor({
    layers,
    emptyDirectory,
    overlay,
  }: {
    readonly layers: LayerBackend;
    readonly emptyDirectory: string;
    readonly overlay: OverlayMethod;
  }) {
    this.#layers = layers;
    this.#emptyDirectory = emptyDirectory;
    this.#method = overlay;
  }

  /** Mounts `layers` (lowest first) below `at.upper` at `at.target`; gives the layers that the mount holds. */
  async mount(
    layers: readonly DiffId[],
    at: {
      readonly upper: string;
      readonly work: string;
      readonly target: string;
      readonly volatile: boolean;
      readonly ids: IdMapping | undefined;
    },
    guard: readonly string[],
  ): Promise<readonly MountedLayer[]> {
    await using scope = new Scope();
    const held = await this.#holdIn(scope, layers);
    const lower = held.length === 0 ? [this.#emptyDirectory] : held.map((layer) => layer.path);
    scope.defer(() => rmdir(at.target).catch(() => undefined));
    const unguarded = await this.#unguardedIn(layers, lower, guard);
    await withOwners(at.ids, noShiftedLayers, (userNamespace) =>
      mountOverlay({
        method: this.#method,
        userNamespace,
        lower,
        upper: at.upper,
        work: at.work,
        target: at.target,
        makeTarget: true,
        // Without it runtimes as packaged follow a link that an image has at /dev, /proc or /sys, and write into the host.
        realDirectories: guard.map((name) => ({ name, make: unguarded.has(name) })),
        options: at.volatile ? [...overlayOptions, 'volatile'] : overlayOptions,
      }),
    );
    scope.commit();
    return held;
  }

  /** Mounts `layers` (lowest first) read-only at `target`, which exists; gives the layers that the mount holds. */
  async mountReadOnly(layers: readonly DiffId[], target: string): Promise<readonly MountedLayer[]> {
    await using scope = new Scope();
    const held = await this.#holdIn(scope, layers);
    if (held.length === 0) await bindMount(this.#emptyDirectory, target, { readOnly: true });
    else {
      const lower = held.map((layer) => layer.path);
      // Without a writable directory overlayfs wants two.
      if (lower.length === 1) lower.push(this.#emptyDirectory);
      await mountOverlay({ method: this.#method, lower, target, options: overlayOptions });
    }
    scope.commit();
    return held;
  }

  /** Holds the layers of an overlay that is mounted already. */
  async hold(layers: readonly DiffId[]): Promise<readonly MountedLayer[]> {
    await using scope = new Scope();
    const held = await this.#holdIn(scope, layers);
    scope.commit();
    return held;
  }

  /**
   * Mounts the layers, topmost first, down to one that hides all below it. A layer that comes twice (the empty one does)
   * adds nothing the second time, and overlayfs would refuse it.
   */
  async #holdIn(scope: Scope, layers: readonly DiffId[]): Promise<MountedLayer[]> {
    const held: MountedLayer[] = [];
    for (const diffId of new Set(layers.toReversed())) {
      held.push(await scope.acquire(this.#layers.mount(diffId), (layer) => layer.release()));
      if (this.#layers.info(diffId)?.opaqueRoot === true) break;
    }
    return held;
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
}
