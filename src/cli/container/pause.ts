import { atLeast, defineCommand } from '../command.ts';
import { forEachName } from '../parallel.ts';
import { postContainer } from './api.ts';

export const pause = defineCommand({
  usage: 'CONTAINER [CONTAINER...]',
  summary: 'Halt all processes of containers',
  aliases: ['gantry container pause', 'gantry pause'],
  flags: {},
  args: atLeast(1),
  run: ({ session, args }) => forEachName(session, args, (name) => postContainer(session.client, name, 'pause')),
});
