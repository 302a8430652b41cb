import type { VolumeView } from '../../spec/engine/volume.ts';
import { pathPart } from '../../client/target.ts';
import { defineCommand, exactly } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types } from '../flags/types.ts';

/** Only the volumes of a swarm can be changed: the engine has to say first whether this is one. */
export const update = defineCommand({
  usage: '[OPTIONS] [VOLUME]',
  summary: 'Change a volume (of a swarm only)',
  flags: {
    availability: flag(types.string, 'Availability of the volume: active, pause or drain', {
      initial: 'active',
      shown: '"active"',
    }),
  },
  args: exactly(1),
  async run({ session, args }) {
    const [name = ''] = args;
    await session.client.json<VolumeView>('GET', `/volumes/${pathPart(name)}`);
    throw new CliError('can only update cluster volumes');
  },
});
