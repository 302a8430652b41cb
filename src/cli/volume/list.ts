import type { DiskUsageView } from '../../spec/engine/usage.ts';
import type { VolumeListView, VolumeView } from '../../spec/engine/volume.ts';
import { defineCommand, noArguments } from '../command.ts';
import { filtersJson, filterType, flag, types } from '../flags/types.ts';
import { formatHelp } from '../format/help.ts';
import { byNatural } from '../format/natural.ts';
import { formatRows } from '../format/rows.ts';
import type { Session } from '../session.ts';
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
    size: flag(types.bool, 'Show what each takes on the disk, and how many containers refer to it', { short: 's' }),
  },
  args: noArguments,
  async run({ session, flags }) {
    const { Volumes } = await session.client.json<VolumeListView>('GET', '/volumes', {
      query: { filters: filtersJson(flags.filter) },
    });
    // None of this engine's volumes belongs to a swarm.
    const volumes = flags.cluster ? [] : (Volumes ?? []).sort((a, b) => byNatural(a.Name, b.Name));
    const shown = flags.size && !flags.quiet ? await withUsage(session, volumes) : volumes;
    const usual = flags.size ? ['Driver', 'Name', 'Links', 'Size'] : ['Driver', 'Name'];
    const columns = flags.cluster ? ['Name', 'Group', 'Driver', 'Availability', 'Status'] : usual;
    const format = flags.format !== '' ? flags.format : flags.quiet ? '' : (session.config.volumesFormat ?? '');
    if (flags.quiet && (format === '' || format === 'table')) {
      session.out(volumes.map(({ Name }) => `${Name}\n`).join(''));
    } else session.out(await formatRows(format, volumeKind, columns, shown));
    return 0;
  },
});

/** With what the engine counts for `system df`; volumes of plugins, and those whose options name another place, have none. */
async function withUsage(session: Session, volumes: readonly VolumeView[]): Promise<VolumeView[]> {
  const { Volumes } = await session.client.json<DiskUsageView>('GET', '/system/df', { query: { type: 'volume' } });
  const counted = new Map(Volumes?.map((volume) => [volume.Name, volume]));
  return volumes.map((volume) => counted.get(volume.Name) ?? volume);
}
