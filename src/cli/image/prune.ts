import { humanSize } from '../../base/text/units.ts';
import type { ImagePruneView } from '../../spec/engine/image.ts';
import { defineCommand, noArguments } from '../command.ts';
import { confirm } from '../confirm.ts';
import { CliError } from '../errors.ts';
import { filtersJson, filterType, flag, types } from '../flags/types.ts';
import { formatRows, type RowKind } from '../format/rows.ts';
import { shortId } from '../format/text.ts';
import { requireGantry } from './require-gantry.ts';

type PlanItem = NonNullable<ImagePruneView['Plan']>[number];

export const prune = defineCommand({
  usage: '[OPTIONS]',
  summary: 'Remove images that no container uses',
  flags: {
    all: flag(types.bool, 'Remove all unused images, not only those without a name', { short: 'a' }),
    budget: flag(types.string, 'Remove what a storage budget has no room for: SIZE, PERCENT%, or "engine" for its own'),
    'dry-run': flag(types.bool, 'Only show what would go, why, and how many bytes that gives back'),
    filter: flag(filterType, 'Remove only images that meet a condition ("until=<timestamp>", "label=<label>")'),
    force: flag(types.bool, 'Do not ask', { short: 'f' }),
    'keep-last': flag(types.int, 'Keep so many of the newest images of each repository'),
    'unused-for': flag(types.string, 'Remove only what was not used for so long ("720h")'),
  },
  args: noArguments,
  async run({
    session,
    flags: { all, budget, filter, force, 'dry-run': dryRun, 'keep-last': keepLast, 'unused-for': unusedFor },
  }) {
    if (budget !== '' && (all || filter.size > 0 || keepLast !== 0 || unusedFor !== '')) {
      throw new CliError('--budget goes with --dry-run and --force only');
    }
    const unused = all ? 'all images without at least one container associated to them' : 'all dangling images';
    const doomed = budget === '' ? unused : 'images that no container uses, until the rest is within the budget';
    const question = `WARNING! This will remove ${doomed}.\nAre you sure you want to continue?`;
    if (!force && !dryRun && !(await confirm(session, question))) return 0;
    if (dryRun || budget !== '' || keepLast !== 0 || unusedFor !== '') {
      await requireGantry(session, '--budget, --dry-run, --keep-last and --unused-for need a Gantry engine');
    }
    const filters = new Map(filter).set('dangling', new Set([String(!all)]));
    const report = await session.client.json<ImagePruneView>('POST', '/images/prune', {
      query: {
        filters: budget === '' ? filtersJson(filters) : undefined,
        budget: budget === '' ? undefined : budget,
        'dry-run': dryRun ? 1 : undefined,
        'keep-last': keepLast === 0 ? undefined : keepLast,
        'unused-for': unusedFor === '' ? undefined : unusedFor,
      },
    });
    if (dryRun) {
      session.out(await formatRows('', planKind, ['ID', 'Names', 'Freed', 'Reason'], report.Plan ?? []));
      session.out(`Space that would be reclaimed: ${humanSize(report.SpaceReclaimed)}\n`);
      return 0;
    }
    const lines = (report.ImagesDeleted ?? []).map((item) =>
      'Untagged' in item ? `untagged: ${item.Untagged}\n` : `deleted: ${item.Deleted}\n`,
    );
    if (lines.length > 0) session.out(`Deleted Images:\n${lines.join('')}\n`);
    session.out(`Total reclaimed space: ${humanSize(report.SpaceReclaimed)}\n`);
    return 0;
  },
});

const planKind: RowKind<PlanItem> = {
  goType: '*image.planContext',
  columns: {
    ID: { header: 'IMAGE ID', of: ({ Id }) => shortId(Id) },
    Names: { header: 'NAMES', of: ({ RepoTags }) => (RepoTags.length === 0 ? '<none>' : RepoTags.join(', ')) },
    Freed: { header: 'FREED', of: ({ Freed }) => humanSize(Freed, 3) },
    Reason: { header: 'WHY', of: ({ Reason }) => Reason },
  },
};
