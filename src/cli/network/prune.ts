import type { NetworkPruneView } from '../../spec/engine/usage.ts';
import { defineCommand, noArguments } from '../command.ts';
import { confirm } from '../confirm.ts';
import { filtersJson, filterType, flag, types } from '../flags/types.ts';

const question =
  'WARNING! This will remove all custom networks not used by at least one container.\nAre you sure you want to continue?';

export const prune = defineCommand({
  usage: '[OPTIONS]',
  summary: 'Remove networks that no container uses',
  flags: {
    filter: flag(filterType, 'Remove only networks that meet a condition ("until=<timestamp>")'),
    force: flag(types.bool, 'Do not ask', { short: 'f' }),
  },
  args: noArguments,
  async run({ session, flags }) {
    if (!flags.force && !(await confirm(session, question))) return 0;
    const { NetworksDeleted } = await session.client.json<NetworkPruneView>('POST', '/networks/prune', {
      query: { filters: filtersJson(flags.filter) },
    });
    const deleted = NetworksDeleted ?? [];
    if (deleted.length > 0) session.out(`Deleted Networks:\n${deleted.map((name) => `${name}\n`).join('')}\n`);
    return 0;
  },
});
