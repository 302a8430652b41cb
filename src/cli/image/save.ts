import { CliError } from '../errors.ts';
import { atLeast, defineCommand } from '../command.ts';
import { flag, listOf, types } from '../flags/types.ts';
import { writeOutputFile } from '../local/output-file.ts';
import { checkTarget } from '../local/paths.ts';
import { isTerminal } from '../terminal/tty.ts';
import { platformJson } from './_platform.ts';

export const save = defineCommand({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Write images as a tar archive',
  aliases: ['gantry image save', 'gantry save'],
  flags: {
    output: flag(types.string, 'Write to a file, instead of STDOUT', { short: 'o' }),
    platform: flag(listOf(), 'Only these platforms: os[/arch[/variant]]'),
  },
  args: atLeast(1),
  async run({ session, flags, args }) {
    if (flags.output === '' && isTerminal(1)) {
      throw new CliError('cowardly refusing to save to a terminal. Use the -o flag or redirect');
    }
    if (flags.output !== '') checkOutput(flags.output);
    const { body } = await session.client.request('GET', '/images/get', {
      query: {
        names: args,
        platform: flags.platform.length === 0 ? undefined : flags.platform.map(platformJson),
      },
    });
    if (flags.output !== '') await writeOutputFile(flags.output, body);
    else for await (const chunk of body) await session.output.bytes(1, chunk);
    return 0;
  },
});

function checkOutput(path: string): void {
  try {
    checkTarget(path);
  } catch (error) {
    throw error instanceof CliError ? new CliError(`failed to save image: ${error.message}`) : error;
  }
}
