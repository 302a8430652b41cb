import type { UpdateContainerRequest } from '../../spec/engine/update.ts';
import type { ContainerContext } from '../context.ts';
import { pauseContainer, unpauseContainer } from '../pause.ts';
import { createPruner } from '../prune.ts';
import { renameContainer } from '../rename.ts';
import { topContainer } from '../top.ts';
import { updateContainer } from '../update/update.ts';

/** Changing containers that exist, and looking into running ones. */
export function controlOperations(ctx: ContainerContext) {
  const find = (nameOrId: string) => ctx.table.find(nameOrId);
  return {
    pause: async (nameOrId: string) => pauseContainer(ctx, find(nameOrId)),
    unpause: async (nameOrId: string) => unpauseContainer(ctx, find(nameOrId)),
    rename: async (nameOrId: string, name: string) => renameContainer(ctx, find(nameOrId), name),
    top: async (nameOrId: string, psArguments: string) => topContainer(ctx, find(nameOrId), psArguments),
    update: (nameOrId: string, request: UpdateContainerRequest) => updateContainer(ctx, () => find(nameOrId), request),
    prune: createPruner(ctx),
  };
}
