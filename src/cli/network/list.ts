import type { NetworkView } from '../../spec/engine/network.ts';
import { defineCommand, noArguments } from '../command.ts';
import { filtersJson, filterType, flag, types } from '../flags/types.ts';
import { formatHelp } from '../format/help.ts';
import { labelsText } from '../format/labels.ts';
import { byNatural } from '../format/natural.ts';
import { formatRows } from '../format/rows.ts';
import type { RowKind } from '../format/rows.ts';
import { goTimestamp, shortId } from '../format/text.ts';

const networkKind = (truncates: boolean): RowKind<NetworkView> => ({
  goType: '*network.networkContext',
  columns: {
    CreatedAt: { header: 'CREATED AT', of: ({ Created }) => goTimestamp(Created) },
    Driver: { header: 'DRIVER', of: ({ Driver }) => Driver },
    ID: { header: 'NETWORK ID', of: ({ Id }) => (truncates ? shortId(Id) : Id) },
    // An engine that does not know the field has IPv4 everywhere.
    IPv4: { header: 'IPV4', of: ({ EnableIPv4 }) => String(EnableIPv4 ?? true) },
    IPv6: { header: 'IPV6', of: ({ EnableIPv6 }) => String(EnableIPv6) },
    Internal: { header: 'INTERNAL', of: ({ Internal }) => String(Internal) },
    Labels: { header: 'LABELS', of: ({ Labels }) => labelsText(Labels) },
    Name: { header: 'NAME', of: ({ Name }) => Name },
    Scope: { header: 'SCOPE', of: ({ Scope }) => Scope },
  },
  methods: ({ Labels }) => ({ Label: (name: string) => Labels?.[name] ?? '' }),
});

export const list = defineCommand({
  usage: '[OPTIONS]',
  summary: 'List networks',
  aliases: ['gantry network ls', 'gantry network list'],
  flags: {
    filter: flag(filterType, 'Show only networks that meet a condition ("driver=bridge")', { short: 'f' }),
    format: flag(types.string, formatHelp),
    'no-trunc': flag(types.bool, 'Cut nothing short'),
    quiet: flag(types.bool, 'Show only ids', { short: 'q' }),
  },
  args: noArguments,
  async run({ session, flags }) {
    const networks = await session.client.json<NetworkView[]>('GET', '/networks', {
      query: { filters: filtersJson(flags.filter) },
    });
    networks.sort((a, b) => byNatural(a.Name, b.Name));
    const kind = networkKind(!flags['no-trunc']);
    const format = flags.format !== '' ? flags.format : flags.quiet ? '' : (session.config.networksFormat ?? '');
    if (flags.quiet && (format === '' || format === 'table')) {
      session.out(networks.map((item) => `${String(kind.columns['ID']?.of(item))}\n`).join(''));
    } else session.out(await formatRows(format, kind, ['ID', 'Name', 'Driver', 'Scope'], networks));
    return 0;
  },
});
