import { defineCommand, noArguments } from '../command.ts';
import { flag, types, words } from '../flags/types.ts';
import { showProgress } from '../progress.ts';
import { displayOn } from '../progress-output.ts';
import { checkUpload, readUpload } from '../upload.ts';
import { platformJson } from './platform.ts';

export const load = defineCommand({
  usage: '[OPTIONS]',
  summary: 'Load images from a tar archive',
  aliases: ['gantry image load', 'gantry load'],
  flags: {
    input: flag(types.string, 'File to read instead of standard input', { short: 'i' }),
    platform: flag(words, 'Only these platforms: os[/arch[/variant]]'),
    quiet: flag(types.bool, 'Show no progress', { short: 'q' }),
  },
  args: noArguments,
  async run({ session, flags }) {
    checkUpload(flags.input, 'requested load from stdin, but stdin is empty');
    const display = displayOn(session, 1);
    const response = await session.client.request('POST', '/images/load', {
      query: {
        quiet: flags.quiet || !display.isTerminal ? 1 : 0,
        platform: flags.platform.length === 0 ? undefined : flags.platform.map(platformJson),
      },
      body: readUpload(flags.input === '' ? '-' : flags.input),
    });
    await showProgress(response.body, display);
    return 0;
  },
});
