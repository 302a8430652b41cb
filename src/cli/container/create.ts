import { messageOf } from '../../base/errors.ts';
import { atLeast, defineCommand } from '../command.ts';
import { withHelp } from '../errors.ts';
import { createBody } from './_create-body.ts';
import { checkPull, createContainer } from './_create.ts';
import { createFlags } from './_run-flags.ts';

export const create = defineCommand({
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  summary: 'Make a container without starting it',
  aliases: ['gantry container create', 'gantry create'],
  flags: createFlags,
  args: atLeast(1),
  interspersed: false,
  async run({ session, flags, given, args }) {
    let body: ReturnType<typeof createBody>;
    try {
      checkPull(flags.pull);
      body = createBody(flags, given, args, session.env);
    } catch (error) {
      throw withHelp(messageOf(error), 'create');
    }
    session.out(`${await createContainer(session, flags, body)}\n`);
    return 0;
  },
});
