import { messageOf } from '../../base/errors.ts';
import { isNotFound } from '../../client/errors.ts';
import { pathPart } from '../../client/target.ts';
import { atLeast, defineCommand } from '../command.ts';
import { flag, types } from '../flags/types.ts';

export const remove = defineCommand({
  usage: 'NETWORK [NETWORK...]',
  summary: 'Remove networks',
  aliases: ['gantry network rm', 'gantry network remove'],
  flags: { force: flag(types.bool, 'Do not complain about networks that are not there', { short: 'f' }) },
  args: atLeast(1),
  async run({ session, flags, args }) {
    let code = 0;
    for (const name of args) {
      try {
        await session.client.json('DELETE', `/networks/${pathPart(name)}`);
        session.out(`${name}\n`);
      } catch (error) {
        if (flags.force && isNotFound(error)) continue;
        session.err(`${messageOf(error)}\n`);
        code = 1;
      }
    }
    if (code !== 0) session.err(`exit status ${code}\n`);
    return code;
  },
});
