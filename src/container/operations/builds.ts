import type { BuildSteps } from '../../spec/contract/build.ts';
import { runStep } from '../build/step.ts';
import { viewLayers } from '../build/view.ts';
import type { ContainerContext } from '../context.ts';

/** What builds need of containers. */
export const buildOperations = (ctx: ContainerContext): BuildSteps => ({
  run: (request, changed) => runStep(ctx, request, changed),
  async cacheVolume(name, id, owner) {
    const { mountpoint } = await ctx.volumes.ensure({ name, labels: { 'gantry.build.cache': id } });
    if (owner !== undefined) await ctx.host.giveEmpty(mountpoint, owner);
  },
  view: (layers, look) => viewLayers(ctx, layers, look),
});
