import { pathPart } from '../../client/target.ts';
import { atLeast, defineCommand } from '../command.ts';
import { flag, types } from '../flags/types.ts';
import { forEachName } from '../parallel.ts';

export const killExec = defineCommand({
  usage: '[OPTIONS] EXEC [EXEC...]',
  summary: 'Send a signal to commands that exec started',
  aliases: ['gantry container kill-exec', 'gantry kill-exec'],
  flags: {
    signal: flag(types.string, 'Name or number of the signal (default KILL: with all they started)', { short: 's' }),
  },
  args: atLeast(1),
  run: ({ session, flags, args }) =>
    forEachName(session, args, async (id) => {
      await session.client.json('POST', `/exec/${pathPart(id)}/kill`, { query: { signal: flags.signal || undefined } });
    }),
});
