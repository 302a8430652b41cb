import { CliError } from '../errors.ts';
import { isTerminal } from './tty.ts';

/** @throws CliError when a terminal is wanted for a container whose input comes from something else. */
export function checkInput(attachesStdin: boolean, tty: boolean): void {
  if (attachesStdin && tty && !isTerminal(0)) throw new CliError('the input device is not a TTY');
}
