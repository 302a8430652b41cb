import { EngineError } from '../../base/errors.ts';
import { hostId, overflowId } from '../../spec/contract/user-namespace.ts';
import type { BuildSteps } from '../../spec/contract/build.ts';
import { runStep } from '../build/step.ts';
import { viewLayers, withRoot } from '../build/view.ts';
import type { ContainerContext } from '../context.ts';

type Owner = Parameters<BuildSteps['hostOwner']>[0];

/** Somebody of a step as the host knows them. */
function hostOwner({ settings }: ContainerContext, { uid, gid }: Owner): Owner {
  const { ids } = settings.userNamespaces;
  if (ids === undefined) return { uid, gid };
  return { uid: hostId(ids.uids, uid) ?? overflowId, gid: hostId(ids.gids, gid) ?? overflowId };
}

/** What builds need of containers. */
export const buildOperations = (ctx: ContainerContext): BuildSteps => ({
  run: (request, changed) => runStep(ctx, request, changed),
  async cacheVolume({ name, id, owner, seed }) {
    const { mountpoint } = await ctx.volumes.ensure({
      name,
      labels: id === undefined ? {} : { 'gantry.build.cache': id },
    });
    if (seed !== undefined && ctx.settings.userNamespaces.ids !== undefined) {
      throw new EngineError(
        'not-implemented',
        'a cache with from= is not implemented yet on an engine with --userns-remap',
      );
    }
    if (seed !== undefined) await withRoot(ctx, seed.layers, (root) => ctx.volumes.copyUp(name, root, seed.path));
    if (owner !== undefined) await ctx.host.giveEmpty(mountpoint, hostOwner(ctx, owner), owner.mode);
  },
  hostOwner: (owner) => hostOwner(ctx, owner),
  view: (layers, look) => viewLayers(ctx, layers, look),
});
