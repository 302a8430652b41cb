import { messageOf } from '../../base/errors.ts';
import { familiarName, parseReference } from '../../spec/reference/reference.ts';
import { defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, listOf, types } from '../flags/types.ts';

export const commit = defineCommand({
  usage: '[OPTIONS] CONTAINER [REPOSITORY[:TAG]]',
  summary: 'Make an image from what a container has changed',
  aliases: ['gantry container commit', 'gantry commit'],
  flags: {
    author: flag(types.string, 'Author (e.g., "Jane Doe <jane@example.org>")', { short: 'a' }),
    change: flag(listOf(), 'Dockerfile instruction for the configuration of the image', { short: 'c' }),
    compression: flag(
      types.string,
      "Compression of the new layer: gzip, zstd or none (the engine's choice by default)",
    ),
    message: flag(types.string, 'Comment for the history', { short: 'm' }),
    pause: flag(types.bool, 'Let the processes stand still meanwhile', { short: 'p', initial: true, shown: 'true' }),
  },
  args: { least: 1, most: 2 },
  async run({ session, flags, args: [container = '', name = ''] }) {
    const { repo, tag } = splitName(name);
    const answer = await session.client.json<{ Id: string }>('POST', '/commit', {
      query: {
        container,
        repo: repo || undefined,
        tag: tag || undefined,
        comment: flags.message,
        author: flags.author,
        compression: flags.compression || undefined,
        changes: flags.change.length === 0 ? undefined : flags.change,
        pause: flags.pause ? undefined : 0,
      },
      body: null,
    });
    session.out(`${answer.Id}\n`);
    return 0;
  },
});

function splitName(name: string): { repo: string; tag: string } {
  if (name === '') return { repo: '', tag: '' };
  try {
    const reference = parseReference(name);
    if (reference.digest !== undefined) throw new CliError('refusing to create a tag with a digest reference');
    return { repo: familiarName(reference), tag: reference.tag ?? 'latest' };
  } catch (error) {
    throw error instanceof CliError ? error : new CliError(messageOf(error));
  }
}
