import { messageOf } from '../../base/errors.ts';
import { exactly, defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { postContainer } from './api.ts';

export const rename = defineCommand({
  usage: 'CONTAINER NEW_NAME',
  summary: 'Give a container another name',
  aliases: ['gantry container rename', 'gantry rename'],
  flags: {},
  args: exactly(2),
  async run({ session, args }) {
    const [old = '', name = ''] = args.map((arg) => arg.trim());
    if (old === '' || name === '') throw new CliError('Error: Neither old nor new names may be empty');
    try {
      await postContainer(session.client, old, 'rename', { name });
    } catch (error) {
      throw new CliError(`${messageOf(error)}\nError: failed to rename container named ${old}`);
    }
    return 0;
  },
});
