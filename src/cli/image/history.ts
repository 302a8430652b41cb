import { humanSize } from '../../base/text/units.ts';
import { pathPart } from '../../client/target.ts';
import type { ImageHistoryItem } from '../../spec/engine/image.ts';
import { defineCommand, exactly } from '../command.ts';
import { flag, types } from '../flags/types.ts';
import { formatHelp } from '../format/help.ts';
import { formatRows, type RowKind } from '../format/rows.ts';
import { ellipsis, goRfc3339, shortId, timeAgo } from '../format/text.ts';
import { needsVersion } from './needs-version.ts';
import { platformJson } from './platform.ts';

const table = ['ID', 'CreatedSince', 'CreatedBy', 'Size', 'Comment'];
const tableOfMachines = ['ID', 'CreatedAt', 'CreatedBy', 'Size', 'Comment'];

export const history = defineCommand({
  usage: '[OPTIONS] IMAGE',
  summary: 'Show the steps that made an image',
  aliases: ['gantry image history', 'gantry history'],
  flags: {
    format: flag(types.string, formatHelp),
    human: flag(types.bool, 'Sizes and times as people say them', { short: 'H', initial: true, shown: 'true' }),
    'no-trunc': flag(types.bool, 'Cut nothing short'),
    platform: flag(types.string, 'Of this platform: os[/arch[/variant]]'),
    quiet: flag(types.bool, 'Show only ids', { short: 'q' }),
  },
  args: exactly(1),
  async run({ session, flags, args: [name = ''] }) {
    if (flags.platform !== '') await needsVersion(session, 'platform', '1.48');
    const items = await session.client.json<ImageHistoryItem[]>('GET', `/images/${pathPart(name)}/history`, {
      query: { platform: flags.platform === '' ? undefined : platformJson(flags.platform) },
    });
    const kind = historyKind(flags.human, !flags['no-trunc']);
    const isTable = flags.format === '' || flags.format === 'table';
    if (flags.quiet && isTable) session.out(items.map((item) => `${String(kind.columns['ID']?.of(item))}\n`).join(''));
    else session.out(await formatRows(flags.format, kind, flags.human ? table : tableOfMachines, items));
    return 0;
  },
});

const historyKind = (human: boolean, truncates: boolean): RowKind<ImageHistoryItem> => ({
  goType: '*image.historyContext',
  columns: {
    Comment: { header: 'COMMENT', of: ({ Comment }) => Comment },
    CreatedAt: { header: 'CREATED AT', of: ({ Created }) => goRfc3339(Created) },
    CreatedBy: {
      header: 'CREATED BY',
      of: ({ CreatedBy }) => {
        const text = CreatedBy.replaceAll('\t', ' ');
        return truncates ? ellipsis(text, 45) : text;
      },
    },
    CreatedSince: {
      header: 'CREATED',
      of: ({ Created }) => (!human ? goRfc3339(Created) : Created <= 0 ? 'N/A' : timeAgo(Created)),
    },
    ID: { header: 'IMAGE', of: ({ Id }) => (truncates ? shortId(Id) : Id) },
    Size: { header: 'SIZE', of: ({ Size }) => (human ? humanSize(Size, 3) : String(Size)) },
  },
});
