import { pathPart } from '../../client/target.ts';
import type { TopView } from '../../spec/engine/top.ts';
import { alignTabs } from '../../base/text/table.ts';
import { atLeast, defineCommand } from '../command.ts';

export const top = defineCommand({
  usage: 'CONTAINER [ps OPTIONS]',
  summary: 'Show the processes that run in a container',
  aliases: ['gantry container top', 'gantry top'],
  flags: {},
  args: atLeast(1),
  interspersed: false,
  async run({ session, args }) {
    const [name = '', ...options] = args;
    const view = await session.client.json<TopView>('GET', `/containers/${pathPart(name)}/top`, {
      query: { ps_args: options.length === 0 ? undefined : options.join(' ') },
    });
    const lines = [view.Titles, ...(view.Processes ?? [])].map((words) => `${words.join('\t')}\n`);
    session.out(alignTabs(lines.join(''), { minWidth: 20 }));
    return 0;
  },
});
