import { decodeFilters } from '../../spec/decode/filters.ts';
import { decodeCreateVolume } from '../../spec/decode/volume.ts';
import type { VolumeApi } from '../services/volume.ts';
import type { Handlers } from './handlers.ts';

const listFilters = ['dangling', 'driver', 'label', 'label!', 'name'];
const pruneFilters = ['all', 'label', 'label!'];

export function volumeHandlers(volumes: VolumeApi): Handlers {
  return {
    async VolumeList(exchange) {
      exchange.send(200, await volumes.list(decodeFilters(exchange.text('filters'), listFilters)));
    },
    async VolumeCreate(exchange) {
      exchange.send(201, await volumes.create(decodeCreateVolume(await exchange.json())));
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
      if (exchange.minor < 42 && !filters.has('all')) filters.set('all', ['true']);
      exchange.send(200, await volumes.prune(filters));
    },
  };
}
