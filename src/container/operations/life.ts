import type { CreateContainerRequest, WaitCondition } from '../../spec/engine/container.ts';
import type { ContainerContext } from '../context.ts';
import { createContainer } from '../create/create.ts';
import { inspectContainer } from '../inspect.ts';
import { killContainer } from '../kill.ts';
import { listContainers, type ListWishes } from '../list.ts';
import { removeLink } from '../links/links.ts';
import { removeContainer, type RemoveWishes } from '../remove.ts';
import { restartContainer } from '../restart.ts';
import { startContainer } from '../start/start.ts';
import { type StopWishes, stopContainer } from '../stop.ts';
import { registerWait } from '../wait.ts';

/** Making, changing and ending containers, by name, id or unambiguous id prefix. */
export function lifeOperations(ctx: ContainerContext) {
  const find = (nameOrId: string) => ctx.table.find(nameOrId);
  return {
    list: (wishes: ListWishes) => listContainers(ctx, wishes),
    create: (request: CreateContainerRequest) => createContainer(ctx, request),
    inspect: async (nameOrId: string, options: { size: boolean }) => inspectContainer(ctx, find(nameOrId), options),
    start: async (nameOrId: string) => startContainer(ctx, find(nameOrId)),
    stop: async (nameOrId: string, wishes: StopWishes) => stopContainer(ctx, find(nameOrId), wishes),
    restart: async (nameOrId: string, wishes: StopWishes) => restartContainer(ctx, find(nameOrId), wishes),
    kill: async (nameOrId: string, signal: string | undefined) => killContainer(ctx, find(nameOrId), signal),
    wait: async (nameOrId: string, condition: WaitCondition, signal: AbortSignal) =>
      registerWait(find(nameOrId), condition, signal),
    remove: async (nameOrId: string, wishes: RemoveWishes & { link: boolean }) => {
      await (wishes.link ? removeLink(ctx, nameOrId) : removeContainer(ctx, find(nameOrId), wishes));
    },
  };
}
