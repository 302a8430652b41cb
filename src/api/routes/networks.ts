import { decodeFilters } from '../../spec/decode/filters.ts';
import {
  decodeConnect,
  decodeCreateNetwork,
  decodeDisconnect,
  decodeUpdateNetwork,
} from '../../spec/decode/network.ts';
import type { NetworkPruneView } from '../../spec/engine/usage.ts';
import type { NetworkApi } from '../services/network.ts';
import { networkInspectView, networkSummaryView } from '../views/network.ts';
import type { Handlers } from './handlers.ts';

const listFilters = ['dangling', 'driver', 'id', 'label', 'label!', 'name', 'scope', 'type'];
const pruneFilters = ['label', 'label!', 'until'];

export function networkHandlers(networks: NetworkApi): Handlers {
  return {
    async NetworkList(exchange) {
      const list = await networks.list(decodeFilters(exchange.text('filters'), listFilters));
      exchange.send(200, list.map(networkSummaryView));
    },
    async NetworkCreate(exchange) {
      const id = await networks.create(decodeCreateNetwork(await exchange.json(), exchange.minor));
      exchange.send(201, { Id: id, Warning: (await networks.warnings(id)).join('\n') });
    },
    async NetworkUpdate(exchange) {
      await networks.update(exchange.param('id'), decodeUpdateNetwork(await exchange.json()).Options);
      exchange.empty(200);
    },
    async NetworkDelete(exchange) {
      await networks.remove(exchange.param('id'));
      exchange.empty(204);
    },
    async NetworkConnect(exchange) {
      const { Container, EndpointConfig } = decodeConnect(await exchange.json(), exchange.minor);
      await networks.connect(exchange.param('id'), Container, EndpointConfig);
      exchange.empty(200);
    },
    async NetworkDisconnect(exchange) {
      const { Container, Force } = decodeDisconnect(await exchange.json());
      await networks.disconnect(exchange.param('id'), Container, { force: Force });
      exchange.empty(200);
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
      exchange.send(200, networkInspectView(view, exchange.minor));
    },
  };
}
