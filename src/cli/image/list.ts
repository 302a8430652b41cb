import type { ImageSummary } from '../../spec/engine/image.ts';
import { atMost, defineCommand } from '../command.ts';
import { filtersJson, filterType, flag, types } from '../flags/types.ts';
import { formatHelp } from '../format/help.ts';
import { formatRows } from '../format/rows.ts';
import { imageKind, imageRowsOf } from './rows.ts';

const table = ['Repository', 'Tag', 'ID', 'CreatedSince', 'Size'];
const tableWithDigests = ['Repository', 'Tag', 'Digest', 'ID', 'CreatedSince', 'Size'];

export const list = defineCommand({
  usage: '[OPTIONS] [REPOSITORY[:TAG]]',
  summary: 'List images',
  aliases: ['gantry image ls', 'gantry image list', 'gantry images'],
  flags: {
    all: flag(types.bool, 'Show intermediate images too', { short: 'a' }),
    digests: flag(types.bool, 'Show digests'),
    filter: flag(filterType, 'Show only images that meet a condition', { short: 'f' }),
    format: flag(types.string, formatHelp),
    'no-trunc': flag(types.bool, 'Cut nothing short'),
    quiet: flag(types.bool, 'Show only ids', { short: 'q' }),
  },
  args: atMost(1),
  async run({ session, flags, args }) {
    const filters = new Map(flags.filter);
    const [name] = args;
    if (name !== undefined) filters.set('reference', new Set([...(filters.get('reference') ?? []), name]));
    const images = await session.client.json<ImageSummary[]>('GET', '/images/json', {
      query: { all: flags.all, filters: filtersJson(filters) },
    });
    let format = flags.format !== '' ? flags.format : flags.quiet ? '' : (session.config.imagesFormat ?? '');
    const isDefault = format === '' || format === 'table';
    if (format.startsWith('table ') && flags.digests && !format.includes('{{.Digest}}')) format += '\t{{.Digest}}';
    const shows = { digests: flags.digests || format.includes('{{.Digest}}'), digestRows: flags.digests };
    const rows = images.flatMap((image) => imageRowsOf(image, shows));
    const kind = imageKind(!flags['no-trunc']);
    if (flags.quiet && isDefault) {
      session.out(rows.map((row) => `${String(kind.columns['ID']?.of(row))}\n`).join(''));
    } else {
      session.out(await formatRows(format, kind, flags.digests ? tableWithDigests : table, rows));
    }
    return 0;
  },
});
