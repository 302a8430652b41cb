import { decodeFilters } from '../../spec/decode/filters.ts';
import type { NetworkPruneView } from '../../spec/engine/usage.ts';
import type { NetworkApi } from '../services/network.ts';
import type { Handlers } from './handlers.ts';

const listFilters = ['dangling', 'driver', 'id', 'label', 'label!', 'name', 'scope', 'type'];
const pruneFilters = ['label', 'label!', 'until'];

export function networkHandlers(networks: NetworkApi): Handlers {
  return {
    async NetworkList(exchange) {
      const list = await networks.list(decodeFilters(exchange.text('filters'), listFilters));
      // The containers of a network are shown when it is inspected.
      exchange.send(
        200,
        list.map((network) => ({ ...network, Containers: {} })),
      );
    },
    async NetworkPrune(exchange) {
      const names = await networks.prune(decodeFilters(exchange.text('filters'), pruneFilters));
      const report: NetworkPruneView = { NetworksDeleted: names.length === 0 ? null : names };
      exchange.send(200, report);
    },
    async NetworkInspect(exchange) {
      const view = await networks.inspect(exchange.param('id'), {
        verbose: exchange.flag('verbose'),
        scope: exchange.text('scope') ?? '',
      });
      exchange.send(200, view);
    },
  };
}
