import { messageOf } from '../../base/errors.ts';
import { formatReference, parseReference, withDefaultTag } from '../../spec/reference/reference.ts';
import type { Reference } from '../../spec/reference/reference.ts';
import { defineCommand, exactly } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types } from '../flags/types.ts';
import { displayOn, quietDisplay } from '../progress-output.ts';
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
    let reference = parseName(args[0] as string);
    const isBare = reference.tag === undefined && reference.digest === undefined;
    if (flags['all-tags'] && !isBare) throw new CliError("tag can't be used with --all-tags/-a");
    if (!flags['all-tags'] && isBare) {
      reference = withDefaultTag(reference);
      if (!flags.quiet) session.out(`Using default tag: ${reference.tag}\n`);
    }
    const display = flags.quiet ? quietDisplay : displayOn(session, 1);
    await pullImage(session, { reference, platform: flags.platform, all: flags['all-tags'] }, display);
    session.out(`${formatReference(reference)}\n`);
    return 0;
  },
});

function parseName(text: string): Reference {
  try {
    return parseReference(text);
  } catch (error) {
    throw new CliError(messageOf(error));
  }
}
