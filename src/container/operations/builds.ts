import { Scope } from '../../base/scope.ts';
import { hostId, overflowId } from '../../spec/contract/user-namespace.ts';
import type { BuildSteps, CacheVolume } from '../../spec/contract/build.ts';
import { runStep } from '../build/step.ts';
import { viewLayers, withRoot, writableRoot } from '../build/view.ts';
import type { ContainerContext } from '../context.ts';

type Owner = Parameters<BuildSteps['hostOwner']>[0];
type Seed = NonNullable<CacheVolume['seed']>;

/** Somebody of a step as the host knows them. */
function hostOwner({ settings }: ContainerContext, { uid, gid }: Owner): Owner {
  const { ids } = settings.userNamespaces;
  if (ids === undefined) return { uid, gid };
  return { uid: hostId(ids.uids, uid) ?? overflowId, gid: hostId(ids.gids, gid) ?? overflowId };
}

/** Fills a new volume with what is at a path of a root. Under --userns-remap its files belong to those inside. */
async function seedVolume(ctx: ContainerContext, name: string, { layers, path }: Seed): Promise<void> {
  const { ids } = ctx.settings.userNamespaces;
  if (ids === undefined) {
    await withRoot(ctx, layers, (root) => ctx.volumes.copyUp(name, root, path));
    return;
  }
  await using scope = new Scope();
  await ctx.volumes.copyUp(name, await writableRoot(ctx, layers, { ids }, scope), path);
}

/** What builds need of containers. */
export const buildOperations = (ctx: ContainerContext): BuildSteps => ({
  run: (request, changed) => runStep(ctx, request, changed),
  async cacheVolume({ name, id, owner, seed }) {
    const { mountpoint } = await ctx.volumes.ensure({
      name,
      labels: id === undefined ? {} : { 'gantry.build.cache': id },
    });
    if (seed !== undefined) await seedVolume(ctx, name, seed);
    if (owner !== undefined) await ctx.host.giveEmpty(mountpoint, hostOwner(ctx, owner), owner.mode);
  },
  hostOwner: (owner) => hostOwner(ctx, owner),
  view: (layers, look) => viewLayers(ctx, layers, look),
});
