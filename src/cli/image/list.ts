import type { ImageSummary } from '../../spec/engine/image.ts';
import { atMost, defineCommand, type Invocation } from '../command.ts';
import { CliError } from '../errors.ts';
import { filtersJson, filterType, flag, types } from '../flags/types.ts';
import { formatHelp } from '../format/help.ts';
import { formatRows } from '../format/rows.ts';
import type { Session } from '../session.ts';
import { terminalSize } from '../terminal/tty.ts';
import { needsVersion } from './needs-version.ts';
import { imageKind, imageRowsOf } from './rows.ts';

const table = ['Repository', 'Tag', 'ID', 'CreatedSince', 'Size'];
const tableWithDigests = ['Repository', 'Tag', 'Digest', 'ID', 'CreatedSince', 'Size'];

const common = {
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
    tree: flag(types.bool, 'Show the platforms of each image below it'),
  },
  args: atMost(1),
};

export const list = defineCommand({
  ...common,
  async run(invocation) {
    await show(invocation);
    return 0;
  },
});

/** `gantry images`, whose argument is a pattern: who takes it for a group of commands is told. */
export const images = defineCommand({
  ...common,
  async run(invocation) {
    const count = await show(invocation);
    const [name = ''] = invocation.args;
    if (count === 0 && verbs.has(name)) {
      const shown = JSON.stringify(name);
      invocation.session.err(`\nNo images found matching ${shown}: did you mean "gantry image ${name}"?\n`);
    }
    return 0;
  },
});

const verbs = new Set('build history import inspect list load ls prune pull push rm save tag'.split(' '));

/** Resolves with how many images are shown. */
async function show({ session, flags, given, args }: Invocation<typeof common.flags>): Promise<number> {
  const filters = new Map(flags.filter);
  const [name] = args;
  if (name !== undefined) filters.set('reference', new Set([...(filters.get('reference') ?? []), name]));
  if (flags.tree) {
    await needsVersion(session, 'tree', '1.47');
    for (const [other, shown = other] of [['quiet'], ['no-trunc'], ['digests', 'show-digest'], ['format']] as const) {
      if (given.has(other)) throw new CliError(`--${shown} is not yet supported with --tree`);
    }
    return showTree(session, { all: flags.all, filters });
  }
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
  return images.length;
}

/** Without `all`, images without a name are left out, as docker does it in this view. */
async function showTree(
  session: Session,
  { all, filters }: { readonly all: boolean; readonly filters: ReadonlyMap<string, ReadonlySet<string>> },
): Promise<number> {
  const images = await session.client.json<ImageSummary[]>('GET', '/images/json', {
    query: { all, filters: filtersJson(filters), manifests: 1 },
  });
  const { platformTree } = await import('./_platform-tree.ts');
  const shown = all || filters.has('dangling') ? images : images.filter(({ RepoTags }) => (RepoTags ?? []).length > 0);
  const { width } = terminalSize();
  session.out(platformTree(shown, { width, colors: width > 0 && (session.env['NO_COLOR'] ?? '') === '' }));
  return shown.length;
}
