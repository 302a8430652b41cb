import { EngineError, invalid, messageOf } from '../../base/errors.ts';
import { decodeFilters } from '../../spec/decode/filters.ts';
import { decodeCreateVolume } from '../../spec/decode/volume.ts';
import type { Filters } from '../../spec/engine/filters.ts';
import type { Exchange } from '../http/exchange.ts';
import type { VolumeApi } from '../services/volume.ts';
import type { Handlers } from './handlers.ts';

const listFilters = ['dangling', 'driver', 'label', 'name'];
const pruneFilters = ['all', 'label', 'label!'];

export function volumeHandlers(volumes: VolumeApi): Handlers {
  return {
    async VolumeList(exchange) {
      exchange.send(200, await volumes.list(listFiltersOf(exchange)));
    },
    async VolumeCreate(exchange) {
      const { ClusterVolumeSpec: cluster, ...request } = decodeCreateVolume(await exchange.json());
      // Volumes of a cluster came with 1.42; before, nobody looked at the field.
      if (cluster !== undefined && exchange.minor >= 42) throw noSwarm();
      exchange.send(201, await volumes.create(request));
    },
    VolumeUpdate() {
      const why = 'volume update only valid for cluster volumes, but swarm is unavailable';
      throw new EngineError('unavailable', why);
    },
    async VolumeInspect(exchange) {
      exchange.send(200, await volumes.inspect(exchange.param('name')));
    },
    async VolumeDelete(exchange) {
      await volumes.remove(exchange.param('name'), { force: exchange.flag('force') });
      exchange.empty(204);
    },
    async VolumePrune(exchange) {
      const filters = new Map(decodeFilters(exchange.text('filters'), pruneFilters));
      // Before 1.42 named volumes were pruned without being asked for.
      if (exchange.minor < 42) filters.set('all', [...new Set([...(filters.get('all') ?? []), 'true'])]);
      exchange.send(200, await volumes.prune(filters));
    },
  };
}

function listFiltersOf(exchange: Exchange): Filters {
  let filters: Filters;
  try {
    filters = decodeFilters(exchange.text('filters'));
  } catch (error) {
    throw invalid(`error reading volume filters: ${messageOf(error)}`, error);
  }
  for (const key of filters.keys()) if (!listFilters.includes(key)) throw invalid(`invalid filter '${key}'`);
  return filters;
}

/** What an engine outside of a swarm answers to everything that only a manager can do. */
const noSwarm = (): EngineError =>
  new EngineError(
    'unavailable',
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
  );
