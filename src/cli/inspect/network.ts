import { atLeast, defineCommand } from '../command.ts';
import { flag, types } from '../flags/types.ts';
import { inspectFormatHelp } from '../format/help.ts';
import { findNetwork } from './_find.ts';
import { inspectAll } from './_inspect.ts';

export const inspectNetwork = defineCommand({
  usage: '[OPTIONS] NETWORK [NETWORK...]',
  summary: 'Show all that is known of networks',
  flags: {
    format: flag(types.string, inspectFormatHelp, { short: 'f' }),
    verbose: flag(types.bool, 'Show more, for finding faults', { short: 'v' }),
  },
  args: atLeast(1),
  run: ({ session, flags, args }) =>
    inspectAll(session, args, flags.format, (name) => findNetwork(session, name, flags.verbose)),
});
