import { familiarName, formatReference } from '../../spec/reference/reference.ts';
import { defineCommand, exactly } from '../command.ts';
import { flag, types } from '../flags/types.ts';
import { showProgress } from '../progress.ts';
import { displayOn, quietDisplay } from '../progress-output.ts';
import { nameToTransfer } from './_name.ts';
import { platformJson } from './platform.ts';
import { registryAuth } from './_registry-auth.ts';

export const push = defineCommand({
  usage: '[OPTIONS] NAME[:TAG]',
  summary: 'Upload an image to a registry',
  aliases: ['gantry image push', 'gantry push'],
  flags: {
    'all-tags': flag(types.bool, 'Upload every tag of the repository', { short: 'a' }),
    'disable-content-trust': flag(types.bool, 'Accepted for compatibility', { hidden: true, initial: true }),
    platform: flag(types.string, 'Upload only the image for this platform: os[/arch[/variant]]'),
    quiet: flag(types.bool, 'Show no progress', { short: 'q' }),
  },
  args: exactly(1),
  async run({ session, flags, args }) {
    const wishes = { all: flags['all-tags'], quiet: flags.quiet };
    const reference = nameToTransfer(session, args[0] as string, wishes);
    const response = await session.client.request('POST', `/images/${familiarName(reference)}/push`, {
      query: {
        tag: reference.tag,
        platform: flags.platform === '' ? undefined : platformJson(flags.platform),
      },
      headers: { 'X-Registry-Auth': registryAuth(session, reference.domain) },
    });
    await showProgress(response.body, flags.quiet ? quietDisplay : displayOn(session, 1));
    if (flags.quiet) session.out(`${formatReference(reference)}\n`);
    return 0;
  },
});
