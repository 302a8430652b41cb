import type { ImageSummary } from '../../spec/engine/image.ts';
import { atMost, defineCommand } from '../command.ts';
import { filtersJson, filterType, flag } from '../flags/types.ts';
import { layerTree } from './_layer-tree.ts';
import { requireGantry } from './require-gantry.ts';

export const tree = defineCommand({
  usage: '[OPTIONS] [REPOSITORY[:TAG]]',
  summary: 'Show which layers images share, and what that saves',
  flags: {
    filter: flag(filterType, 'Show only images that meet a condition', { short: 'f' }),
  },
  args: atMost(1),
  async run({ session, flags, args: [name] }) {
    const filters = new Map(flags.filter);
    if (name !== undefined) filters.set('reference', new Set([...(filters.get('reference') ?? []), name]));
    await requireGantry(session, 'image tree needs a Gantry engine');
    const images = await session.client.json<ImageSummary[]>('GET', '/images/json', {
      query: { all: 1, manifests: 1, layers: 1, filters: filtersJson(filters) },
    });
    session.out(layerTree(images));
    return 0;
  },
});
