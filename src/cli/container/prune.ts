import { humanSize } from '../../base/text/units.ts';
import type { ContainerPruneView } from '../../spec/engine/container.ts';
import { defineCommand, noArguments } from '../command.ts';
import { confirm } from '../confirm.ts';
import { filtersJson, filterType, flag, types } from '../flags/types.ts';

export const prune = defineCommand({
  usage: '[OPTIONS]',
  summary: 'Remove all containers that do not run',
  flags: {
    filter: flag(filterType, 'Remove only containers that meet a condition ("until=<timestamp>", "label=<label>")'),
    force: flag(types.bool, 'Do not ask', { short: 'f' }),
  },
  args: noArguments,
  async run({ session, flags }) {
    const question = 'WARNING! This will remove all stopped containers.\nAre you sure you want to continue?';
    if (!flags.force && !(await confirm(session, question))) return 0;
    const report = await session.client.json<ContainerPruneView>('POST', '/containers/prune', {
      query: { filters: filtersJson(flags.filter) },
    });
    const deleted = report.ContainersDeleted ?? [];
    if (deleted.length > 0) session.out(`Deleted Containers:\n${deleted.map((id) => `${id}\n`).join('')}\n`);
    session.out(`Total reclaimed space: ${humanSize(deleted.length > 0 ? report.SpaceReclaimed : 0)}\n`);
    return 0;
  },
});
