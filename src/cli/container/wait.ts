import { messageOf } from '../../base/errors.ts';
import { atLeast, defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { beginWait } from './api.ts';

export const wait = defineCommand({
  usage: 'CONTAINER [CONTAINER...]',
  summary: 'Wait until containers stop, then print their exit codes',
  aliases: ['gantry container wait', 'gantry wait'],
  flags: {},
  args: atLeast(1),
  async run({ session, args }) {
    const messages: string[] = [];
    for (const name of args) {
      try {
        const { answer } = await beginWait(session.client, name, undefined);
        session.out(`${(await answer).StatusCode}\n`);
      } catch (error) {
        messages.push(messageOf(error));
      }
    }
    if (messages.length > 0) throw new CliError(messages.join('\n'));
    return 0;
  },
});
