import type { VolumeListView } from '../../spec/engine/volume.ts';
import { defineCommand, noArguments } from '../command.ts';
import { filtersJson, filterType, flag, types } from '../flags/types.ts';
import { formatHelp } from '../format/help.ts';
import { byNatural } from '../format/natural.ts';
import { formatRows } from '../format/rows.ts';
import { volumeKind } from './rows.ts';

export const list = defineCommand({
  usage: '[OPTIONS]',
  summary: 'List volumes',
  aliases: ['gantry volume ls', 'gantry volume list'],
  flags: {
    cluster: flag(types.bool, 'Show only volumes of a swarm, with their availability'),
    filter: flag(filterType, 'Show only volumes that meet a condition ("dangling=true")', { short: 'f' }),
    format: flag(types.string, formatHelp),
    quiet: flag(types.bool, 'Show only names', { short: 'q' }),
  },
  args: noArguments,
  async run({ session, flags }) {
    const { Volumes } = await session.client.json<VolumeListView>('GET', '/volumes', {
      query: { filters: filtersJson(flags.filter) },
    });
    // None of this engine's volumes belongs to a swarm.
    const volumes = flags.cluster ? [] : (Volumes ?? []).sort((a, b) => byNatural(a.Name, b.Name));
    const columns = flags.cluster ? ['Name', 'Group', 'Driver', 'Availability', 'Status'] : ['Driver', 'Name'];
    const format = flags.format !== '' ? flags.format : flags.quiet ? '' : (session.config.volumesFormat ?? '');
    if (flags.quiet && (format === '' || format === 'table')) {
      session.out(volumes.map(({ Name }) => `${Name}\n`).join(''));
    } else session.out(await formatRows(format, volumeKind, columns, volumes));
    return 0;
  },
});
