import { type DiffId, newContainerId } from '../../base/ids.ts';
import { Scope } from '../../base/scope.ts';
import type { FileView } from '../../spec/contract/files.ts';
import type { IdMapping } from '../../spec/contract/user-namespace.ts';
import type { ContainerContext } from '../context.ts';

/** Mounts a root file system of these layers, read-only, with nothing mounted in it, as long as `use` runs. */
export async function withRoot<T>(
  ctx: ContainerContext,
  layers: readonly DiffId[],
  use: (root: string) => Promise<T>,
): Promise<T> {
  const viewer = newContainerId();
  await using scope = new Scope();
  ctx.runMounts.keepImages(viewer, [layers]);
  scope.defer(() => ctx.runMounts.forgetImages(viewer));
  scope.defer(() => ctx.runMounts.release(viewer));
  // Awaited: everything is let go with this scope.
  return await use(await ctx.runMounts.showImage(viewer, 0));
}

/** Lets `look` see such a root. */
export const viewLayers = <T>(
  ctx: ContainerContext,
  layers: readonly DiffId[],
  look: (view: FileView) => Promise<T>,
): Promise<T> =>
  withRoot(ctx, layers, async (root) => {
    await using scope = new Scope();
    const view = await scope.acquire(ctx.files.open({ root, mounts: [], readOnly: true, readOnlyRoot: true }), (open) =>
      open.close(),
    );
    return await look(view);
  });

/** A root of its own that can be written to, until the scope ends; with `ids` its files belong to those of a user namespace. */
export async function writableRoot(
  ctx: ContainerContext,
  layers: readonly DiffId[],
  own: { readonly ids?: IdMapping },
  until: Scope,
): Promise<string> {
  const id = newContainerId();
  await until.acquire(ctx.snapshots.prepare(id, layers, own), () => ctx.snapshots.remove(id));
  return until.acquire(ctx.snapshots.mount(id, [], { passing: true }), () => ctx.snapshots.unmount(id));
}
