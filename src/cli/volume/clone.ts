import type { VolumeView } from '../../spec/engine/volume.ts';
import { pathPart } from '../../client/target.ts';
import { defineCommand, exactly } from '../command.ts';
import { flag, listOf, types } from '../flags/types.ts';
import { checkLabel, pairs } from '../key-values.ts';

export const clone = defineCommand({
  usage: '[OPTIONS] VOLUME NEW_VOLUME',
  summary: 'Make a volume with what another one holds',
  flags: {
    label: flag(listOf(checkLabel), 'Label of the new volume, instead of those of the other: NAME=VALUE'),
    snapshot: flag(types.string, 'What the volume held when this snapshot was made'),
  },
  args: exactly(2),
  async run({ session, flags, args: [source = '', name = ''] }) {
    const body = {
      Name: name,
      Snapshot: flags.snapshot,
      ...(flags.label.length === 0 ? {} : { Labels: pairs(flags.label) }),
    };
    const { Name } = await session.client.json<VolumeView>('POST', `/volumes/${pathPart(source)}/clone`, { body });
    session.out(`${Name}\n`);
    return 0;
  },
});
