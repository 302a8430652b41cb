import { atLeast, defineCommand } from '../command.ts';
import { forEachName } from '../parallel.ts';
import { postContainer } from './api.ts';

export const unpause = defineCommand({
  usage: 'CONTAINER [CONTAINER...]',
  summary: 'Let the processes of paused containers run on',
  aliases: ['gantry container unpause', 'gantry unpause'],
  flags: {},
  args: atLeast(1),
  run: ({ session, args }) => forEachName(session, args, (name) => postContainer(session.client, name, 'unpause')),
});
