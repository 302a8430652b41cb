import type { VolumeView } from '../../spec/engine/volume.ts';
import { pathPart } from '../../client/target.ts';
import { defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types } from '../flags/types.ts';
import { checkUpload, readUpload } from '../upload.ts';

export const importVolume = defineCommand({
  usage: '[OPTIONS] VOLUME [FILE|-]',
  summary: 'Unpack a tar archive into a volume, which is made when there is none',
  flags: {
    merge: flag(types.bool, 'Keep what the volume holds, but for files that are in the archive'),
    replace: flag(types.bool, 'Throw away what the volume holds'),
  },
  args: { least: 1, most: 2 },
  async run({ session, flags, args: [name = '', source = '-'] }) {
    if (flags.merge && flags.replace) throw new CliError('conflicting options: --merge and --replace');
    checkUpload(source, 'no archive: name a file, or redirect STDIN');
    const mode = flags.merge ? 'merge' : flags.replace ? 'replace' : 'empty';
    const { Name } = await session.client.json<VolumeView>('POST', `/volumes/${pathPart(name)}/import`, {
      query: { mode },
      body: readUpload(source),
    });
    session.out(`${Name}\n`);
    return 0;
  },
});
