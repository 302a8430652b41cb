import { pathPart } from '../../client/target.ts';
import { defineCommand, exactly } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types } from '../flags/types.ts';
import { writeOutputFile } from '../local/output-file.ts';
import { checkTarget } from '../local/paths.ts';
import { isTerminal } from '../terminal/tty.ts';

export const exportContainer = defineCommand({
  usage: '[OPTIONS] CONTAINER',
  summary: "Write a container's file system as a tar archive",
  aliases: ['gantry container export', 'gantry export'],
  flags: { output: flag(types.string, 'Write to a file, instead of STDOUT', { short: 'o' }) },
  args: exactly(1),
  async run({ session, flags, args: [name = ''] }) {
    if (flags.output === '' && isTerminal(1)) {
      throw new CliError('cowardly refusing to save to a terminal. Use the -o flag or redirect');
    }
    if (flags.output !== '') checkOutput(flags.output);
    const { body } = await session.client.request('GET', `/containers/${pathPart(name)}/export`);
    if (flags.output !== '') await writeOutputFile(flags.output, body);
    else for await (const chunk of body) await session.output.bytes(1, chunk);
    return 0;
  },
});

function checkOutput(path: string): void {
  try {
    checkTarget(path);
  } catch (error) {
    throw error instanceof CliError ? new CliError(`failed to export container: ${error.message}`) : error;
  }
}
