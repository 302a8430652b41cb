import { atLeast, defineCommand } from '../command.ts';
import { flag, types } from '../flags/types.ts';
import { inspectFormatHelp } from '../format/help.ts';
import { findImage } from './_find.ts';
import { inspectAll } from './_inspect.ts';

export const inspectImage = defineCommand({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Show all that is known of images',
  flags: {
    format: flag(types.string, inspectFormatHelp, { short: 'f' }),
  },
  args: atLeast(1),
  run: ({ session, flags, args }) => inspectAll(session, args, flags.format, (name) => findImage(session, name)),
});
