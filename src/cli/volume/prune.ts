import { humanSize } from '../../base/text/units.ts';
import type { VolumePruneView } from '../../spec/engine/volume.ts';
import { defineCommand, noArguments } from '../command.ts';
import { confirm } from '../confirm.ts';
import { CliError } from '../errors.ts';
import { filtersJson, filterType, flag, types } from '../flags/types.ts';

export const prune = defineCommand({
  usage: '[OPTIONS]',
  summary: 'Remove volumes that no container uses',
  flags: {
    all: flag(types.bool, 'Remove named volumes too, not only anonymous ones', { short: 'a' }),
    filter: flag(filterType, 'Remove only volumes that meet a condition ("label=<label>")'),
    force: flag(types.bool, 'Do not ask', { short: 'f' }),
  },
  args: noArguments,
  async run({ session, flags }) {
    const filters = new Map(flags.filter);
    if (flags.all) {
      if (filters.has('all')) {
        throw new CliError('conflicting options: cannot specify both --all and --filter all=1');
      }
      filters.set('all', new Set(['true']));
    }
    const what = flags.all ? 'all local volumes' : 'anonymous local volumes';
    const question = `WARNING! This will remove ${what} not used by at least one container.\nAre you sure you want to continue?`;
    if (!flags.force && !(await confirm(session, question))) return 0;
    const report = await session.client.json<VolumePruneView>('POST', '/volumes/prune', {
      query: { filters: filtersJson(filters) },
    });
    const deleted = report.VolumesDeleted ?? [];
    if (deleted.length > 0) session.out(`Deleted Volumes:\n${deleted.map((name) => `${name}\n`).join('')}\n`);
    session.out(`Total reclaimed space: ${humanSize(deleted.length > 0 ? report.SpaceReclaimed : 0)}\n`);
    return 0;
  },
});
