import { formatReference } from '../../spec/reference/reference.ts';
import { defineCommand, exactly } from '../command.ts';
import { flag, types } from '../flags/types.ts';
import { displayOn, quietDisplay } from '../progress-output.ts';
import { nameToTransfer } from './_name.ts';
import { pullImage } from './pull-image.ts';

export const pull = defineCommand({
  usage: '[OPTIONS] NAME[:TAG|@DIGEST]',
  summary: 'Download an image from a registry',
  aliases: ['gantry image pull', 'gantry pull'],
  flags: {
    'all-tags': flag(types.bool, 'Download every tag of the repository', { short: 'a' }),
    'disable-content-trust': flag(types.bool, 'Accepted for compatibility', { hidden: true, initial: true }),
    platform: flag(types.string, 'Platform to download: os[/arch[/variant]]'),
    quiet: flag(types.bool, 'Show no progress', { short: 'q' }),
  },
  args: exactly(1),
  async run({ session, flags, args }) {
    const wishes = { all: flags['all-tags'], quiet: flags.quiet };
    const reference = nameToTransfer(session, args[0] as string, wishes);
    const display = flags.quiet ? quietDisplay : displayOn(session, 1);
    await pullImage(session, { reference, platform: flags.platform, all: wishes.all }, display);
    session.out(`${formatReference(reference)}\n`);
    return 0;
  },
});
