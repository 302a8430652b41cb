import { atLeast, defineCommand } from '../command.ts';
import { flag, types } from '../flags/types.ts';
import { forEachName } from '../parallel.ts';
import { postContainer } from './api.ts';

export const kill = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Send a signal to running containers',
  aliases: ['gantry container kill', 'gantry kill'],
  flags: { signal: flag(types.string, 'Name or number of the signal (default KILL)', { short: 's' }) },
  args: atLeast(1),
  run: ({ session, flags, args }) =>
    forEachName(session, args, (name) =>
      postContainer(session.client, name, 'kill', { signal: flags.signal || undefined }),
    ),
});
