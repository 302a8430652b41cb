import { humanSize } from '../../base/text/units.ts';
import type { BuildPruneView } from '../../spec/engine/usage.ts';
import { defineCommand, noArguments } from '../command.ts';
import { confirm } from '../confirm.ts';
import { CliError } from '../errors.ts';
import { filtersJson, filterType, flag, types } from '../flags/types.ts';

const questions = {
  all: 'WARNING! This will remove all build cache. Are you sure you want to continue?',
  unused: 'WARNING! This will remove all dangling build cache. Are you sure you want to continue?',
};

export const prune = defineCommand({
  usage: '',
  summary: 'Remove what builds keep to be faster the next time',
  aliases: ['gantry builder prune', 'gantry buildx prune'],
  flags: {
    all: flag(types.bool, 'Remove what could be of use, too', { short: 'a' }),
    filter: flag(filterType, 'Remove only what meets a condition ("until=24h")'),
    force: flag(types.bool, 'Do not ask', { short: 'f' }),
    'keep-storage': flag(types.bytes, 'Leave this much'),
    'max-used-space': flag(types.bytes, 'Leave no more than this'),
    'min-free-space': flag(types.bytes, 'Remove until so much of the disk is free'),
    'reserved-space': flag(types.bytes, 'Leave this much: --keep-storage'),
  },
  args: noArguments,
  async run({ session, flags }) {
    const { all, filter, force } = flags;
    if (!force && !(await confirm(session, questions[all ? 'all' : 'unused']))) {
      throw new CliError('builder prune has been cancelled');
    }
    const { CachesDeleted, SpaceReclaimed } = await session.client.json<BuildPruneView>('POST', '/build/prune', {
      query: {
        all: all || undefined,
        filters: filtersJson(filter),
        'keep-storage': flags['keep-storage'] || undefined,
        'max-used-space': flags['max-used-space'] || undefined,
        'min-free-space': flags['min-free-space'] || undefined,
        'reserved-space': flags['reserved-space'] || undefined,
      },
    });
    const deleted = CachesDeleted ?? [];
    if (deleted.length > 0) session.out(`Deleted build cache objects:\n${deleted.join('\n')}\n\n`);
    session.out(`Total reclaimed space: ${humanSize(SpaceReclaimed)}\n`);
    return 0;
  },
});
