import { atLeast, defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';

export const setup = defineCommand({
  usage: '',
  summary: 'Install what the engine needs on this machine',
  flags: {},
  args: atLeast(0),
  run: () =>
    Promise.reject(
      new CliError(
        'gantry: setup is done by the launcher of a checkout, because it installs the very programs that run this one.\n\nRun ./gantry setup in the folder of the checkout',
      ),
    ),
});
