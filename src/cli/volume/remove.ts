import { pathPart } from '../../client/target.ts';
import { atLeast, defineCommand } from '../command.ts';
import { flag, types } from '../flags/types.ts';
import { forEachName } from '../parallel.ts';

export const remove = defineCommand({
  usage: '[OPTIONS] VOLUME [VOLUME...]',
  summary: 'Remove volumes',
  aliases: ['gantry volume rm', 'gantry volume remove'],
  flags: { force: flag(types.bool, 'Do not complain about volumes that are not there', { short: 'f' }) },
  args: atLeast(1),
  run: ({ session, flags, args }) =>
    forEachName(session, args, (name) =>
      session.client.json('DELETE', `/volumes/${pathPart(name)}`, { query: { force: flags.force } }),
    ),
});
