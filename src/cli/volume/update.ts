import { parseBinarySize } from '../../base/text/units.ts';
import type { VolumeView } from '../../spec/engine/volume.ts';
import { pathPart } from '../../client/target.ts';
import { defineCommand, exactly } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types } from '../flags/types.ts';

/** What docker can change of a volume is of a swarm only: the engine has to say first whether this is one. */
export const update = defineCommand({
  usage: '[OPTIONS] [VOLUME]',
  summary: 'Change a volume: its size, or what it is in a swarm',
  flags: {
    availability: flag(types.string, 'Availability of the volume: active, pause or drain', {
      initial: 'active',
      shown: '"active"',
    }),
    size: flag(types.string, 'New limit of a volume that has one: it can only grow'),
  },
  args: exactly(1),
  async run({ session, flags, args }) {
    const [name = ''] = args;
    if (flags.size !== '') {
      const query = { size: String(parseBinarySize(flags.size)) };
      await session.client.json('POST', `/volumes/${pathPart(name)}/resize`, { query });
      session.out(`${name}\n`);
      return 0;
    }
    await session.client.json<VolumeView>('GET', `/volumes/${pathPart(name)}`);
    throw new CliError('can only update cluster volumes');
  },
});
