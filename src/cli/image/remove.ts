import { messageOf } from '../../base/errors.ts';
import { pathPart } from '../../client/target.ts';
import { isNotFound } from '../../client/errors.ts';
import { atLeast, defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types, words } from '../flags/types.ts';
import { needsVersion } from './needs-version.ts';
import { platformJson } from './platform.ts';

type Deleted = { readonly Untagged?: string; readonly Deleted?: string };

export const remove = defineCommand({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Remove images',
  aliases: ['gantry image rm', 'gantry image remove', 'gantry rmi'],
  flags: {
    force: flag(types.bool, 'Remove the image even if containers use it', { short: 'f' }),
    'no-prune': flag(types.bool, 'Keep untagged parents'),
    platform: flag(words, 'Remove only the content of this platform: os[/arch[/variant]]'),
  },
  args: atLeast(1),
  async run({ session, flags, args }) {
    if (flags.platform.length > 0) await needsVersion(session, 'platform', '1.50');
    const platforms = flags.platform.length === 0 ? undefined : flags.platform.map(platformJson);
    const messages: string[] = [];
    let isFatal = !flags.force;
    for (const name of args) {
      try {
        const items = await session.client.json<Deleted[]>('DELETE', `/images/${pathPart(name)}`, {
          query: { force: flags.force, noprune: flags['no-prune'], platforms },
        });
        const lines = items.map((item) =>
          item.Deleted ? `Deleted: ${item.Deleted}\n` : `Untagged: ${item.Untagged}\n`,
        );
        session.out(lines.join(''));
      } catch (error) {
        if (!isNotFound(error)) isFatal = true;
        messages.push(messageOf(error));
      }
    }
    if (messages.length === 0) return 0;
    if (isFatal) throw new CliError(messages.join('\n'));
    session.err(`${messages.join('\n')}\n`);
    return 0;
  },
});
