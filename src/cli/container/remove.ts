import { pathPart } from '../../client/target.ts';
import { isNotFound } from '../../client/errors.ts';
import { atLeast, defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types } from '../flags/types.ts';
import { forEachName } from '../parallel.ts';

const withoutSlashes = (name: string): string => {
  let from = 0;
  let end = name.length;
  while (name[from] === '/') from++;
  while (end > from && name[end - 1] === '/') end--;
  return name.slice(from, end);
};

export const remove = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Remove containers',
  aliases: ['gantry container rm', 'gantry container remove', 'gantry rm'],
  flags: {
    force: flag(types.bool, 'Kill a running container first', { short: 'f' }),
    link: flag(types.bool, 'Remove a link instead of a container', { short: 'l' }),
    volumes: flag(types.bool, 'Remove the anonymous volumes of the container too', { short: 'v' }),
  },
  args: atLeast(1),
  run: ({ session, flags, args }) =>
    forEachName(
      session,
      args,
      async (given) => {
        const name = withoutSlashes(given);
        if (name === '') throw new CliError('container name cannot be empty');
        await session.client.json('DELETE', `/containers/${pathPart(name)}`, {
          query: { force: flags.force, link: flags.link, v: flags.volumes },
        });
      },
      (error) => flags.force && isNotFound(error),
    ),
});
