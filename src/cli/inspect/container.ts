import { atLeast, defineCommand } from '../command.ts';
import { flag, types } from '../flags/types.ts';
import { inspectFormatHelp } from '../format/help.ts';
import { findContainer } from './_find.ts';
import { inspectAll } from './_inspect.ts';

export const inspectContainer = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Show all that is known of containers',
  flags: {
    format: flag(types.string, inspectFormatHelp, { short: 'f' }),
    size: flag(types.bool, 'Show how much room the files take', { short: 's' }),
  },
  args: atLeast(1),
  run: ({ session, flags, args }) =>
    inspectAll(session, args, flags.format, (name) => findContainer(session, name, flags.size)),
});
