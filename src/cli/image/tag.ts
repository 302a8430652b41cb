import { messageOf } from '../../base/errors.ts';
import { pathPart } from '../../client/target.ts';
import { formatReference, parseReference, repositoryOf, withDefaultTag } from '../../spec/reference/reference.ts';
import { defineCommand, exactly } from '../command.ts';
import { CliError } from '../errors.ts';

export const tag = defineCommand({
  usage: 'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
  summary: 'Give an image another name',
  aliases: ['gantry image tag', 'gantry tag'],
  flags: {},
  args: exactly(2),
  async run({ session, args }) {
    const [source = '', target = ''] = args;
    const reference = parseTarget(target);
    const query = { repo: formatReference(repositoryOf(reference)), tag: reference.tag };
    await session.client.json('POST', `/images/${pathPart(source)}/tag`, { query });
    return 0;
  },
});

function parseTarget(text: string) {
  try {
    const reference = withDefaultTag(parseReference(text));
    if (reference.digest !== undefined) throw new CliError('refusing to create a tag with a digest reference');
    return reference;
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(
      `Error parsing reference: ${JSON.stringify(text)} is not a valid repository/tag: ${messageOf(error)}`,
    );
  }
}
