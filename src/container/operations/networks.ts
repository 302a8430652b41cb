import { codeOf, EngineError } from '../../base/errors.ts';
import type { EndpointSettings } from '../../spec/engine/container.ts';
import type { ContainerContext } from '../context.ts';
import { connectNetwork, disconnectNetwork } from '../networks/connect.ts';

/** Containers come to networks and leave them. */
export function networkOperations(ctx: ContainerContext) {
  return {
    connect: async (network: string, container: string, settings: EndpointSettings | null) => {
      const entry = ctx.table.find(container);
      const found = ctx.networks.find(network);
      if (found === undefined) throw new EngineError('not-found', `network ${network} not found`);
      await connectNetwork(ctx, entry, found, settings);
    },
    disconnect: async (network: string, container: string, { force }: { readonly force: boolean }) => {
      try {
        await disconnectNetwork(ctx, ctx.table.find(container), network);
      } catch (error) {
        // By force Docker looks for what a removed container left behind: there never is anything.
        if (!force || codeOf(error) !== 'not-found' || ctx.networks.find(network) === undefined) throw error;
        throw new EngineError('not-found', `endpoint ${container} not found`, { cause: error });
      }
    },
  };
}
