import { pathPart } from '../../client/target.ts';
import { defineCommand, exactly } from '../command.ts';
import { checkDownload, writeDownload } from '../download.ts';
import { flag, types } from '../flags/types.ts';

export const exportVolume = defineCommand({
  usage: '[OPTIONS] VOLUME',
  summary: 'Write what a volume holds as a tar archive',
  flags: {
    compression: flag(types.string, 'How the archive is compressed: zstd, gzip or none', {
      initial: 'zstd',
      shown: '"zstd"',
    }),
    decrypt: flag(types.bool, 'Of an encrypted volume: the archive is not encrypted'),
    output: flag(types.string, 'Write to a file, instead of STDOUT', { short: 'o' }),
    snapshot: flag(types.string, 'What the volume held when this snapshot was made'),
  },
  args: exactly(1),
  async run({ session, flags, args: [name = ''] }) {
    checkDownload(flags.output, 'failed to export volume');
    const { body } = await session.client.request('GET', `/volumes/${pathPart(name)}/export`, {
      query: {
        compression: flags.compression,
        snapshot: flags.snapshot || undefined,
        decrypt: flags.decrypt || undefined,
      },
    });
    await writeDownload(session, flags.output, body);
    return 0;
  },
});
