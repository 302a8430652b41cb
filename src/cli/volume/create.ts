import type { VolumeView } from '../../spec/engine/volume.ts';
import { atMost, defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, listOf, mapOf, types } from '../flags/types.ts';
import { checkLabel, pairs } from '../key-values.ts';

export const create = defineCommand({
  usage: '[OPTIONS] [VOLUME]',
  summary: 'Make a volume',
  flags: {
    driver: flag(types.string, 'Driver that holds the volume', { short: 'd', initial: 'local', shown: '"local"' }),
    label: flag(listOf(checkLabel), 'Label: NAME=VALUE'),
    name: flag(types.string, 'Name of the volume', { hidden: true }),
    opt: flag(mapOf(), 'Option of the driver: NAME=VALUE', { short: 'o' }),
  },
  args: atMost(1),
  async run({ session, flags, args }) {
    const [argument = ''] = args;
    if (argument !== '' && flags.name !== '') {
      throw new CliError(
        'conflicting options: cannot specify a volume-name through both --name and as a positional arg',
      );
    }
    const { Name } = await session.client.json<VolumeView>('POST', '/volumes/create', {
      body: {
        Driver: flags.driver,
        ...(flags.opt.size === 0 ? {} : { DriverOpts: Object.fromEntries(flags.opt) }),
        ...(flags.label.length === 0 ? {} : { Labels: pairs(flags.label) }),
        ...(argument || flags.name ? { Name: argument || flags.name } : {}),
      },
    });
    session.out(`${Name}\n`);
    return 0;
  },
});
