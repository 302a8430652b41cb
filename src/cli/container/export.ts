import { pathPart } from '../../client/target.ts';
import { defineCommand, exactly } from '../command.ts';
import { checkDownload, writeDownload } from '../download.ts';
import { flag, types } from '../flags/types.ts';

export const exportContainer = defineCommand({
  usage: '[OPTIONS] CONTAINER',
  summary: "Write a container's file system as a tar archive",
  aliases: ['gantry container export', 'gantry export'],
  flags: { output: flag(types.string, 'Write to a file, instead of STDOUT', { short: 'o' }) },
  args: exactly(1),
  async run({ session, flags, args: [name = ''] }) {
    checkDownload(flags.output, 'failed to export container');
    const { body } = await session.client.request('GET', `/containers/${pathPart(name)}/export`);
    await writeDownload(session, flags.output, body);
    return 0;
  },
});
