import { formatReference, repositoryOf } from '../../spec/reference/reference.ts';
import { defineCommand, exactly } from '../command.ts';
import { flag, types } from '../flags/types.ts';
import { showProgress } from '../progress.ts';
import { displayOn, quietDisplay } from '../progress-output.ts';
import { nameToTransfer } from './_name.ts';
import { platformJson } from './platform.ts';
import { registryAuth } from './registry-auth.ts';

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
    const response = await session.client.request('POST', `/images/${formatReference(repositoryOf(reference))}/push`, {
      query: {
        tag: reference.tag,
        platform: flags.platform === '' ? undefined : platformJson(flags.platform),
      },
      headers: { 'X-Registry-Auth': registryAuth(session, reference.domain) },
    });
    const notes: string[] = [];
    await showProgress(response.body, flags.quiet ? quietDisplay : displayOn(session, 1), (aux) => {
      notes.push(...noteOf(aux));
    }).finally(() => session.out(notes.join('')));
    if (flags.quiet) session.out(`${formatReference(reference)}\n`);
    return 0;
  },
});

interface PushAux {
  readonly manifestPushedInsteadOfIndex?: boolean;
  readonly originalIndex?: { readonly digest?: string };
  readonly selectedManifest?: { readonly digest?: string };
}

/** What a user should know beside the progress, set off from it as docker does. */
function noteOf(aux: unknown): string[] {
  const { manifestPushedInsteadOfIndex, originalIndex, selectedManifest } = aux as PushAux;
  if (manifestPushedInsteadOfIndex !== true) return [];
  const digests = `${originalIndex?.digest} -> ${selectedManifest?.digest}`;
  return [
    `\n Info -> Not everything of the index is here: the image of one platform was pushed alone\n         ${digests}\n`,
  ];
}
