import { atLeast, defineCommand } from '../command.ts';
import { flag, types } from '../flags/types.ts';
import { forEachName } from '../parallel.ts';
import { postContainer } from './api.ts';

export const stop = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Stop running containers',
  aliases: ['gantry container stop', 'gantry stop'],
  flags: {
    signal: flag(types.string, 'Signal to send first', { short: 's' }),
    timeout: flag(types.int, 'Seconds to wait before the container is killed', { short: 't' }),
    time: flag(types.int, 'Seconds to wait before the container is killed', { hidden: true, alias: 'timeout' }),
  },
  args: atLeast(1),
  run: ({ session, flags, given, args }) =>
    forEachName(session, args, (name) =>
      postContainer(session.client, name, 'stop', {
        signal: flags.signal || undefined,
        t: given.has('timeout') ? flags.timeout : undefined,
      }),
    ),
});
