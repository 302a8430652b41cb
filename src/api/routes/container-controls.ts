import { decodeFilters } from '../../spec/decode/filters.ts';
import { decodeUpdateContainer } from '../../spec/decode/update-container.ts';
import type { ContainerService } from '../services/container.ts';
import type { Handlers } from './handlers.ts';

export function containerControlHandlers(containers: ContainerService): Handlers {
  return {
    async ContainerPause(exchange) {
      await containers.pause(exchange.param('id'));
      exchange.empty(204);
    },
    async ContainerUnpause(exchange) {
      await containers.unpause(exchange.param('id'));
      exchange.empty(204);
    },
    async ContainerRename(exchange) {
      await containers.rename(exchange.param('id'), exchange.text('name') ?? '');
      exchange.empty(204);
    },
    async ContainerTop(exchange) {
      exchange.send(200, await containers.top(exchange.param('id'), exchange.text('ps_args') ?? ''));
    },
    async ContainerUpdate(exchange) {
      const request = decodeUpdateContainer(await exchange.json(), exchange.minor);
      exchange.send(200, await containers.update(exchange.param('id'), request));
    },
    async ContainerPrune(exchange) {
      exchange.send(200, await containers.prune(decodeFilters(exchange.text('filters'), ['until', 'label', 'label!'])));
    },
  };
}
