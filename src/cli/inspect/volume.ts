import { atLeast, defineCommand } from '../command.ts';
import { flag, types } from '../flags/types.ts';
import { inspectFormatHelp } from '../format/help.ts';
import { findVolume } from './_find.ts';
import { inspectAll } from './_inspect.ts';

export const inspectVolume = defineCommand({
  usage: '[OPTIONS] VOLUME [VOLUME...]',
  summary: 'Show all that is known of volumes',
  flags: {
    format: flag(types.string, inspectFormatHelp, { short: 'f' }),
  },
  args: atLeast(1),
  run: ({ session, flags, args }) => inspectAll(session, args, flags.format, (name) => findVolume(session, name)),
});
