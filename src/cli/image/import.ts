import { parseReference } from '../../spec/reference/reference.ts';
import { messageOf } from '../../base/errors.ts';
import { atLeast, defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, listOf, types } from '../flags/types.ts';
import { showProgress } from '../progress.ts';
import { displayOn } from '../progress-output.ts';
import { checkUpload, readUpload } from '../upload.ts';

export const importImage = defineCommand({
  usage: '[OPTIONS] file|URL|- [REPOSITORY[:TAG]]',
  summary: 'Make an image from a tar archive of a root file system',
  aliases: ['gantry image import', 'gantry import'],
  flags: {
    change: flag(listOf(), 'Dockerfile instruction for the configuration of the image', { short: 'c' }),
    compression: flag(types.string, 'Compression of the layer, unless the archive has one: gzip, zstd or none'),
    message: flag(types.string, 'Comment for the history', { short: 'm' }),
    platform: flag(types.string, 'Platform of the image: os[/arch[/variant]]'),
  },
  args: atLeast(1),
  async run({ session, flags, args }) {
    const [source = '', name = ''] = args;
    checkName(name);
    const isRemote = /^(https?|ftp):\/\//.test(source);
    if (!isRemote) checkUpload(source);
    const response = await session.client.request('POST', '/images/create', {
      query: {
        fromSrc: isRemote ? source : '-',
        repo: name || undefined,
        message: flags.message || undefined,
        compression: flags.compression || undefined,
        changes: flags.change.length === 0 ? undefined : flags.change,
        platform: flags.platform.toLowerCase() || undefined,
      },
      ...(isRemote ? {} : { body: readUpload(source) }),
    });
    await showProgress(response.body, displayOn(session, 1));
    return 0;
  },
});

function checkName(name: string): void {
  if (name === '') return;
  try {
    parseReference(name);
  } catch (error) {
    throw new CliError(messageOf(error));
  }
}
