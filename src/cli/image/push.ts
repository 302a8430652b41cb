import { messageOf } from '../../base/errors.ts';
import {
  familiarName,
  formatReference,
  parseReference,
  type Reference,
  withDefaultTag,
} from '../../spec/reference/reference.ts';
import { defineCommand, exactly } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types } from '../flags/types.ts';
import { showProgress } from '../progress.ts';
import { displayOn, quietDisplay } from '../progress-output.ts';
import { platformJson } from './_platform.ts';
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
    const given = parseName(args[0] as string);
    const isBare = given.tag === undefined && given.digest === undefined;
    if (flags['all-tags'] && !isBare) throw new CliError("tag can't be used with --all-tags/-a");
    const reference = flags['all-tags'] || !isBare ? given : withDefaultTag(given);
    if (isBare && !flags['all-tags'] && !flags.quiet) session.out(`Using default tag: ${reference.tag}\n`);
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

function parseName(text: string): Reference {
  try {
    return parseReference(text);
  } catch (error) {
    throw new CliError(messageOf(error));
  }
}
