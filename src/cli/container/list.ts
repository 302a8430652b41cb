import type { ContainerSummary } from '../../spec/engine/container.ts';
import { defineCommand, noArguments } from '../command.ts';
import { filtersJson, filterType, flag, types } from '../flags/types.ts';
import { formatRows } from '../format/rows.ts';
import { formatHelp } from '../format/help.ts';
import { containerRows, containerTable } from './columns.ts';

export const list = defineCommand({
  usage: '[OPTIONS]',
  summary: 'List containers',
  aliases: ['gantry container ls', 'gantry container list', 'gantry container ps', 'gantry ps'],
  flags: {
    all: flag(types.bool, 'Show all containers, not only those that run', { short: 'a' }),
    filter: flag(filterType, 'Show only containers that meet a condition', { short: 'f' }),
    format: flag(types.string, formatHelp),
    last: flag(types.int, 'Show the n containers made last, whatever their state', {
      short: 'n',
      initial: -1,
      shown: '-1',
    }),
    latest: flag(types.bool, 'Show the container made last, whatever its state', { short: 'l' }),
    'no-trunc': flag(types.bool, 'Cut nothing short'),
    ports: flag(types.bool, 'Show who reaches which port'),
    quiet: flag(types.bool, 'Show only ids', { short: 'q' }),
    size: flag(types.bool, 'Show how much room the files take', { short: 's' }),
  },
  args: noArguments,
  async run({ session, flags, given }) {
    const truncates = !flags['no-trunc'];
    const format = flags.format !== '' ? flags.format : flags.quiet ? '' : (session.config.psFormat ?? '');
    const kind = containerRows(truncates);
    const size = flags.size || (!given.has('size') && format !== '' && (await usesSize(format)));
    const limit = flags.latest && flags.last === -1 ? 1 : flags.last;
    const filters = filtersJson(flags.filter);
    const items = await session.client.json<ContainerSummary[]>('GET', '/containers/json', {
      query: { all: flags.all, limit: limit > 0 ? limit : undefined, size, filters },
    });
    if (flags.ports) {
      const { showReach } = await import('./_reach.ts');
      session.out(await showReach(session.client, items, format));
      return 0;
    }
    if (flags.quiet && (format === '' || format === 'table')) {
      session.out(items.map((item) => `${String(kind.columns['ID']?.of(item))}\n`).join(''));
    } else {
      session.out(await formatRows(format, kind, flags.size ? [...containerTable, 'Size'] : containerTable, items));
    }
    return 0;
  },
});

/** Whether a template names `.Size`: the engine computes sizes only when it is asked to. */
async function usesSize(format: string): Promise<boolean> {
  if (format === 'table' || format === 'json') return false;
  const { probeFields } = await import('./_probe.ts');
  return probeFields(format).has('Size');
}
