import { atLeast, defineCommand } from '../command.ts';
import { checkDownload, writeDownload } from '../download.ts';
import { flag, types, words } from '../flags/types.ts';
import { platformJson } from './platform.ts';

export const save = defineCommand({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Write images to a tar archive (to standard output by default)',
  aliases: ['gantry image save', 'gantry save'],
  flags: {
    output: flag(types.string, 'Write to a file, instead of STDOUT', { short: 'o' }),
    platform: flag(words, 'Only these platforms: os[/arch[/variant]]'),
  },
  args: atLeast(1),
  async run({ session, flags, args }) {
    checkDownload(flags.output, 'failed to save image');
    const { body } = await session.client.request('GET', '/images/get', {
      query: {
        names: args,
        platform: flags.platform.length === 0 ? undefined : flags.platform.map(platformJson),
      },
    });
    await writeDownload(session, flags.output, body);
    return 0;
  },
});
