import { pathPart } from '../../client/target.ts';
import { defineCommand, exactly } from '../command.ts';
import { CliError } from '../errors.ts';
import { rateFlags, rateOptionsOf } from './_rates.ts';

export const update = defineCommand({
  usage: '[OPTIONS] NETWORK',
  summary: 'Change the bandwidth of a network while it is used',
  flags: rateFlags,
  args: exactly(1),
  async run({ session, flags, given, args }) {
    if (given.size === 0) throw new CliError('you must provide one or more flags when using this command');
    const [name = ''] = args;
    const Options = rateOptionsOf(flags, given);
    await session.client.json('POST', `/networks/${pathPart(name)}/update`, { body: { Options } });
    session.out(`${name}\n`);
    return 0;
  },
});
