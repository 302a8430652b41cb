import { type DiffId, newContainerId } from '../../base/ids.ts';
import { Scope } from '../../base/scope.ts';
import type { FileView } from '../../spec/contract/files.ts';
import type { ContainerContext } from '../context.ts';

/** Lets `look` see a root file system of these layers, read-only, with nothing mounted in it. */
export async function viewLayers<T>(
  ctx: ContainerContext,
  layers: readonly DiffId[],
  look: (view: FileView) => Promise<T>,
): Promise<T> {
  const viewer = newContainerId();
  await using scope = new Scope();
  ctx.runMounts.keepImages(viewer, [layers]);
  scope.defer(() => ctx.runMounts.forgetImages(viewer));
  scope.defer(() => ctx.runMounts.release(viewer));
  const root = await ctx.runMounts.showImage(viewer, 0);
  const view = await scope.acquire(ctx.files.open({ root, mounts: [], readOnly: true, readOnlyRoot: true }), (open) =>
    open.close(),
  );
  // Awaited: everything is let go with this scope.
  return await look(view);
}
